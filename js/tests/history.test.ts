import { describe, expect, test } from "vitest";
import { equal, History, MOST_STEPS, PAUSE } from "../lib/history.js";

const START = { opacity: 0.85, method: "saliency", params: {}, theme: "auto" };

/** A history with a clock that the test moves; every `commit` is far from the one before it. */
function past() {
  let time = 0;
  const history = new History(START, new Set(["theme"]), () => time);
  const wait = (milliseconds: number) => {
    time += milliseconds;
  };
  const commit = (partial: object) => {
    wait(10 * PAUSE);
    history.commit({ ...partial });
  };
  history.take(START);
  return { history, wait, commit };
}

describe("undo and redo", () => {
  test("go back and forth through what was committed", () => {
    const { history, commit } = past();
    expect(history.undo()).toBeNull();
    commit({ opacity: 0.5 });
    commit({ method: "grad_cam", params: { layer: "a" } });
    expect([history.canUndo.value, history.canRedo.value]).toEqual([true, false]);
    expect(history.undo()).toEqual({ method: "saliency", params: {} });
    expect(history.undo()).toEqual({ opacity: 0.85 });
    expect([history.canUndo.value, history.canRedo.value]).toEqual([false, true]);
    expect(history.redo()).toEqual({ opacity: 0.5 });
    expect(history.redo()).toEqual({ method: "grad_cam", params: { layer: "a" } });
    expect(history.redo()).toBeNull();
  });

  test("a new change ends the way forward", () => {
    const { history, commit } = past();
    commit({ opacity: 0.5 });
    history.undo();
    commit({ opacity: 0.2 });
    expect(history.canRedo.value).toBe(false);
    expect(history.undo()).toEqual({ opacity: 0.85 });
  });

  test("keep the last fifty", () => {
    const { history, commit } = past();
    for (let i = 1; i <= MOST_STEPS + 5; i++) commit({ opacity: i });
    let first: unknown;
    let steps = 0;
    for (let back = history.undo(); back; back = history.undo()) {
      first = back.opacity;
      steps++;
    }
    expect([steps, first]).toEqual([50, 5]);
  });

  test("leave out what is not undone, and what does not change anything", () => {
    const { history, commit } = past();
    commit({ theme: "dark" });
    commit({ opacity: 0.85, params: {} });
    expect(history.canUndo.value).toBe(false);
    commit({ theme: "light", opacity: 0.1 });
    expect(history.undo()).toEqual({ opacity: 0.85 });
  });
});

describe("changes in a row", () => {
  test("of the same value are one", () => {
    const { history, commit, wait } = past();
    commit({ opacity: 0.5 });
    for (const opacity of [0.4, 0.3, 0.2]) {
      wait(PAUSE);
      history.commit({ opacity });
    }
    wait(PAUSE + 1);
    history.commit({ opacity: 0.1 });
    expect(history.undo()).toEqual({ opacity: 0.2 });
    expect(history.undo()).toEqual({ opacity: 0.85 });
    expect(history.undo()).toBeNull();
  });

  test("of other values are several", () => {
    const { history, commit } = past();
    commit({ opacity: 0.5 });
    history.commit({ method: "grad_cam" });
    expect(history.undo()).toEqual({ method: "saliency" });
    expect(history.undo()).toEqual({ opacity: 0.85 });
  });

  test("nothing joins a step that was undone and done again", () => {
    const { history, commit } = past();
    commit({ opacity: 0.5 });
    history.undo();
    history.redo();
    history.commit({ opacity: 0.4 });
    expect(history.undo()).toEqual({ opacity: 0.5 });
  });
});

describe("the kernel's changes", () => {
  const arrive = () => new Promise<void>((resolve) => queueMicrotask(resolve));

  test("are steps like the page's; one message is one step", async () => {
    const { history, wait } = past();
    wait(10 * PAUSE);
    history.take({ method: "grad_cam" });
    history.take({ params: { layer: "b" } });
    await arrive();
    expect(history.undo()).toEqual({ method: "saliency", params: {} });
    expect(history.undo()).toBeNull();
  });

  test("the page's own, told again, are none", async () => {
    const { history, commit } = past();
    commit({ params: { a: [1, { b: 2, c: 3 }] } });
    history.take({ params: { a: [1, { c: 3, b: 2 }] } });
    await arrive();
    expect(history.undo()).toEqual({ params: {} });
    expect(history.canUndo.value).toBe(false);
  });

  test("leading back they count as an undo, and forward again as a redo", async () => {
    const { history, commit } = past();
    commit({ opacity: 0.5 });
    commit({ opacity: 0.3 });
    history.take({ opacity: 0.5 });
    await arrive();
    expect(history.canRedo.value).toBe(true);
    history.take({ opacity: 0.3 });
    await arrive();
    expect(history.canRedo.value).toBe(false);
    expect(history.undo()).toEqual({ opacity: 0.5 });
    expect(history.undo()).toEqual({ opacity: 0.85 });
  });

  test("a method's own parameters belong to the step that chose it, however late they come", async () => {
    const { history, commit, wait } = past();
    commit({ method: "grad_cam" });
    wait(20 * PAUSE);
    history.take({ params: { layer: "b" } });
    await arrive();
    expect(history.undo()).toEqual({ method: "saliency", params: {} });
    expect(history.canUndo.value).toBe(false);
  });

  test("wait for nobody: an undo right after them undoes them", () => {
    const { history, wait } = past();
    wait(10 * PAUSE);
    history.take({ opacity: 0.4 });
    expect(history.undo()).toEqual({ opacity: 0.85 });
  });
});

test("JSON values are equal by content", () => {
  expect(equal({ a: [1, null], b: "x" }, { b: "x", a: [1, null] })).toBe(true);
  expect(equal({ a: undefined }, { b: undefined })).toBe(false);
  expect(equal([1, 2], [1])).toBe(false);
  expect(equal([], {})).toBe(false);
  expect(equal(null, {})).toBe(false);
});
