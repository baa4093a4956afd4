// @vitest-environment jsdom
/** The guided mode: what each card shows, what is kept on the way, and the veil. */
import { describe, expect, test } from "vitest";
import { labels } from "../demo/made_up.js";
import { frame, open, until } from "./page.js";

describe("the guided mode", () => {
  const mark = { rect: [0, 0, 6, 8] } as { rect: [number, number, number, number] };
  const lesson = (root: HTMLElement) => root.querySelector("[aria-current=step]")?.textContent ?? "";

  test("veils the map until it is revealed", async () => {
    const { get, root } = await open({ traits: { mode: "guided" } });
    const veiled = () => get("explorer").hasAttribute("data-veiled");
    expect(veiled()).toBe(true);
    expect(lesson(root)).toContain("Predict");
    get("next").click();
    expect(veiled()).toBe(true);
    get("next").click();
    expect(veiled()).toBe(false);
    get("back").click();
    expect(veiled()).toBe(false);
  });

  test("keeps the mark that was made before, and holds the map against it", async () => {
    const { kernel, get } = await open({ traits: { mode: "guided", region: mark } });
    expect(get("marked").textContent).toContain("50\u00a0%");
    get("next").click();
    kernel.set("region", { rect: [0, 0, 1, 1] });
    get("next").click();
    expect(Number(get("revealed").dataset.area)).toBe(0.5);
    const share = Number(get("revealed").dataset.share);
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThan(1);
  });

  test("the brush is taken and put down, and left when the card is", async () => {
    const { get } = await open({ traits: { mode: "guided" } });
    get("brush").click();
    expect(get("tool").dataset.value).toBe("brush");
    get("next").click();
    expect(get("tool").dataset.value).toBe("look");
  });

  test("reveals the whole map, not the part at which alpha was left", async () => {
    const { kernel, get } = await open({ traits: { mode: "guided", alpha: 0.3 } });
    get("next").click();
    expect(kernel.get("alpha")).toBe(0.3);
    get("next").click();
    expect(kernel.get("alpha")).toBe(1);
  });

  test("baselines are set beside each other; another question begins anew", async () => {
    const { kernel, get } = await open({ traits: { mode: "guided", region: mark } });
    for (let i = 0; i < 3; i++) get("next").click();
    const rows = () =>
      [...get("tries").querySelectorAll("tbody tr")].map((row) => row.textContent?.trim() ?? "");
    expect(rows()).toHaveLength(1);
    get("baseline-white").click();
    await until(() => expect(rows()).toHaveLength(2));
    expect(rows().map((row) => row.split(/\s/)[0])).toEqual(["black", "white"]);
    get("baseline-black").click();
    await until(() => expect(kernel.get("baseline")).toEqual({ kind: "black" }));
    expect(rows()).toHaveLength(2);
    kernel.set("target", 5);
    kernel.save_changes();
    await until(() => expect(rows()).toHaveLength(1));
  });

  test("checks the sum, and another method beside it", async () => {
    const { kernel, get, root } = await open({ traits: { mode: "guided" } });
    for (let i = 0; i < 4; i++) get("next").click();
    expect(get("checked").textContent).toContain("of the change in score");
    expect(lesson(root)).toContain("What this cannot tell you");
    get("propose").click();
    expect(kernel.get("compare")).toEqual([{ method: "grad_cam" }]);
    await until(() =>
      expect(get("compared").textContent).toMatch(/Rank correlation of both maps:\s+\u2212?[\d.]+/),
    );
  });

  test.each([
    [1, "walks no path"],
    [3, "no baseline to change"],
    [4, "promises no sum"],
  ])("card %i knows methods that have none of it", async (step, words) => {
    const { get, root } = await open({ traits: { mode: "guided", method: "grad_cam" } });
    for (let i = 0; i < step; i++) get("next").click();
    expect(lesson(root)).toContain(words);
  });

  test("starts over with everything forgotten", async () => {
    const { kernel, get, root } = await open({ traits: { mode: "guided", region: mark } });
    for (let i = 0; i < 4; i++) get("next").click();
    get("restart").click();
    expect(lesson(root)).toContain("Predict");
    expect(get("explorer").hasAttribute("data-veiled")).toBe(true);
    expect(kernel.get("region")).toBeNull();
    get("next").click();
    get("next").click();
    expect(get("revealed")).toBeNull();
  });

  test("is entered from the help and left by its link", async () => {
    const { kernel, get, root } = await open();
    const side = () => root.querySelector<HTMLElement>(".inspector")?.hidden;
    get("help").click();
    get("begin-tour").click();
    expect(kernel.get("mode")).toBe("guided");
    expect(get("help-box")).toBeNull();
    expect(side()).toBe(true);
    get("full-mode").click();
    expect(kernel.get("mode")).toBe("full");
    expect(side()).toBe(false);
    expect(get("explorer").hasAttribute("data-veiled")).toBe(false);
  });

  test("labels are text there as well", async () => {
    const { root } = await open({ labels: labels("hostile"), traits: { mode: "guided", target: 0 } });
    await frame();
    expect(lesson(root)).toContain("<img src=x");
    expect(root.querySelector(".guide img")).toBeNull();
  });

  test("the focus goes along with the card", async () => {
    const { root, get } = await open({ traits: { mode: "guided" } });
    get("next").click();
    expect(root.querySelectorAll("[aria-current=step]")).toHaveLength(1);
    await until(() => expect(document.activeElement?.textContent).toContain("Move"));
  });
});
