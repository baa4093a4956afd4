// @vitest-environment jsdom
/** What is around the pictures: ways out, card, help, boxes. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { FakeKernel } from "../demo/kernel.js";
import { labels } from "../demo/made_up.js";
import { more } from "../views/saliency/behind.js";
import { USUAL } from "../views/saliency/trial/fold.js";
import { open, press, until } from "./page.js";

/** Files that the page has handed over. */
const saved: { name: string; blob: Blob }[] = [];

beforeEach(() => {
  saved.length = 0;
  let last: Blob;
  // jsdom has none of its own.
  Object.assign(URL, {
    createObjectURL: (blob: Blob) => {
      last = blob;
      return "blob:made-up";
    },
    revokeObjectURL: () => {},
  });
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    saved.push({ name: this.download, blob: last });
  });
});
afterEach(() => clipboard(undefined));

function clipboard(writeText: ((text: string) => Promise<void>) | undefined): void {
  Object.defineProperty(navigator, "clipboard", { value: writeText && { writeText }, configurable: true });
}

/** Answers an export in the kernel's place. */
function answering(kernel: FakeKernel, answer: object, buffers: ArrayBufferView[] = []) {
  const asked: Record<string, unknown>[] = [];
  kernel.send = (content) => {
    const message = content as Record<string, unknown>;
    asked.push(message);
    setTimeout(() => kernel.emit("msg:custom", { answer: message.id, ...answer }, buffers), 0);
  };
  return asked;
}

const pick = (get: (id: string) => HTMLElement, id: string) => {
  get("export").click();
  get(id).click();
};
const body = () => document.querySelector(".content") as HTMLElement;

describe("export", () => {
  test.each(["png", "svg", "html", "json"])(
    "%s is made by the kernel and handed over as a file",
    async (format) => {
      const { kernel, get } = await open();
      const bytes = new Uint8Array([1, 2, 3, 4]);
      const result = { name: `map.${format}`, type: "text/made-up" };
      const asked = answering(kernel, { status: "ok", result }, [new DataView(bytes.buffer, 1, 2)]);
      pick(get, `export-${format}`);
      expect(asked).toMatchObject([{ request: "export", format }]);
      expect(get("notice").textContent).toContain("Making the");
      await until(() => expect(saved).toHaveLength(1));
      expect(saved[0].name).toBe(`map.${format}`);
      expect(saved[0].blob.type).toBe("text/made-up");
      expect(saved[0].blob.size).toBe(2);
      expect(get("notice").textContent).toBe(`Saved map.${format}`);
    },
  );

  test("one at a time", async () => {
    const { kernel, get } = await open();
    kernel.send = () => {};
    pick(get, "export-png");
    get("export").click();
    expect(get("export-svg").getAttribute("aria-disabled")).toBe("true");
    get("export-svg").click();
    expect(get("notice").textContent).toContain("PNG");
  });

  test("a failure is said in the kernel's words, as text", async () => {
    const { kernel, get } = await open();
    const error = { type: "OutOfMemoryError", message: "no room for <b>this</b>" };
    answering(kernel, { status: "error", error });
    pick(get, "export-svg");
    await until(() => expect(get("notice").textContent).toBe("SVG failed: no room for <b>this</b>"));
    expect(saved).toEqual([]);
    get("export").click();
    expect(get("export-view")).toBeNull();
  });

  test("a page without a kernel says so, and makes its own picture", async () => {
    const { kernel, get } = await open({ offline: true });
    get("export").click();
    for (const format of ["png", "svg", "html", "json"]) {
      expect(get(`export-${format}`).getAttribute("aria-disabled")).toBe("true");
      expect(get(`export-${format}`).textContent).toContain("kernel");
      get(`export-${format}`).click();
    }
    expect(kernel.sent).toEqual([]);
    expect(get("export-view").getAttribute("aria-disabled")).toBeNull();
  });

  test("so does one whose kernel has gone", async () => {
    const { kernel, get } = await open();
    kernel.send = () => {
      throw new Error("no comm");
    };
    pick(get, "export-html");
    await until(() => expect(get("notice").textContent).toContain("kernel is gone"));
    get("export").click();
    expect(get("export-view")).not.toBeNull();
  });
});

describe("copy as code", () => {
  test("puts the call on the clipboard", async () => {
    const copied = vi.fn(async () => {});
    clipboard(copied);
    const { get } = await open({ traits: { method: "grad_cam", layer: "layer3", alpha: 0.25 } });
    pick(get, "copy-code");
    await until(() => expect(get("notice").textContent).toBe("Copied"));
    const [note, call] = String((copied.mock.calls as unknown[][])[0][0]).split("\n");
    expect(note).toMatch(/^# model and images are yours/);
    expect(call).toBe('SaliencyExplorer(model, images, method="grad_cam", layer="layer3", alpha=0.25)');
  });

  test.each([
    [{}, "trial=True"],
    [
      { steps: 64, replacement: { kind: "blur", sigma: 8 } },
      'trial={"replacement": {"kind": "blur", "sigma": 8}, "steps": 64}',
    ],
  ])("of a trial what differs: %j", async (asked, written) => {
    const copied = vi.fn(async () => {});
    clipboard(copied);
    const { get } = await open({ traits: { trial: { ...USUAL, ...asked } } });
    pick(get, "copy-code");
    await until(() => expect(copied).toHaveBeenCalled());
    expect(String((copied.mock.calls as unknown[][])[0][0])).toContain(written);
  });

  test.each([
    ["there is none", undefined],
    ["it is forbidden", () => Promise.reject(new Error("NotAllowedError"))],
  ])("where %s, the text is there to be copied by hand", async (_name, writeText) => {
    clipboard(writeText);
    const { get, root } = await open({ models: 2, traits: { compare: [{ model: 1 }] } });
    pick(get, "copy-code");
    await until(() => expect(get("code-box")).not.toBeNull());
    const area = root.querySelector("textarea") as HTMLTextAreaElement;
    expect(area.value.split("\n")[1]).toBe("SaliencyExplorer([model_a, model_b], images)");
    await until(() => expect(document.activeElement).toBe(area));
    expect(area.selectionEnd - area.selectionStart).toBe(area.value.length);
  });
});

describe("the card", () => {
  test("tells of the active panel's method, and of this very map", async () => {
    const { get } = await open();
    get("card").click();
    const text = body().textContent ?? "";
    for (const words of [
      "It shows",
      "It assumes",
      "It costs",
      "It fails",
      "arXiv:1703.01365",
      "Steps",
      "23 gradients",
      "Map error",
      "Gap",
    ])
      expect(text).toContain(words);
    expect(get("card-box").getAttribute("aria-label")).toBe("Integrated Gradients");
  });

  test("a method without a card says so and shows its summary", async () => {
    const { get } = await open({ traits: { method: "grad_cam" } });
    get("card").click();
    expect(get("no-card").textContent).toContain("weighted by their mean gradient");
    expect(get("no-card").textContent).toContain("Nobody has written a card");
  });

  test("a map made of others is told as what it is", async () => {
    const { get } = await open({ traits: { compare: [{ target: 1 }, { difference: [0, 1] }], panel: 2 } });
    get("card").click();
    expect(body().textContent).toContain("minus those of another");
  });

  test("labels are text", async () => {
    const { get, root } = await open({ labels: labels("hostile"), traits: { target: 1 } });
    get("card").click();
    expect(body().textContent).toContain("<b>bold</b>");
    expect(root.querySelector(".dialog :is(b, img, script)")).toBeNull();
  });
});

describe("a box", () => {
  test("takes the focus, keeps the rest still, and gives the focus back", async () => {
    const { get } = await open();
    get("help").focus();
    get("help").click();
    await until(() => expect(document.activeElement).toBe(get("close")));
    const others = [...get("explorer").children].filter((part) => !part.classList.contains("backdrop"));
    expect(others.every((part) => part.hasAttribute("inert"))).toBe(true);
    press(get("close"), "Escape");
    expect(get("help-box")).toBeNull();
    expect(document.activeElement).toBe(get("help"));
    expect(others.some((part) => part.hasAttribute("inert"))).toBe(false);
  });

  test("holds Tab inside", async () => {
    const { get } = await open();
    get("card").click();
    await until(() => expect(document.activeElement).toBe(get("close")));
    press(get("close"), "Tab", { shiftKey: true });
    expect(document.activeElement).toBe(body());
    press(body(), "Tab");
    expect(document.activeElement).toBe(get("close"));
  });

  test("Escape closes it and cancels nothing", async () => {
    const { kernel, get } = await open({ stop: "running" });
    press(get("explorer"), "?");
    press(get("help-box"), "Escape");
    expect(kernel.sent).toEqual([]);
  });
});

describe("the menu", () => {
  test("is walked by arrows and closed by Escape", async () => {
    const { get } = await open();
    get("export").click();
    expect(document.activeElement).toBe(get("export-png"));
    press(get("export-png"), "ArrowUp");
    expect(document.activeElement).toBe(get("copy-code"));
    press(get("copy-code"), "Home");
    press(get("export-png"), "ArrowDown");
    expect(document.activeElement).toBe(get("export-svg"));
    press(get("export-svg"), "Escape");
    expect(get("export-svg")).toBeNull();
    expect(document.activeElement).toBe(get("export"));
  });

  test("closes when the focus goes elsewhere", async () => {
    const { get } = await open();
    get("export").click();
    get("help").focus();
    expect(get("export-svg")).toBeNull();
  });
});

test("undo and redo are buttons that know when there is nothing to do", async () => {
  const { kernel, get } = await open();
  expect(get<HTMLButtonElement>("undo").disabled).toBe(true);
  press(get("explorer"), "s");
  get("undo").click();
  expect(kernel.get("sign")).toBe("both");
  expect(get<HTMLButtonElement>("undo").disabled).toBe(true);
  get("redo").click();
  expect(kernel.get("sign")).toBe("positive");
});

describe("before the second half of the front end has come", () => {
  const whole = more.peek();
  afterEach(() => {
    more.value = whole;
  });

  test("the pictures are drawn, and the rest takes its place when it comes", async () => {
    more.value = null;
    const { get } = await open();
    const toolbar = document.querySelector(".toolbar") as HTMLElement;
    expect(get("method")).not.toBeNull();
    expect([toolbar.childElementCount, get("opacity")]).toEqual([0, null]);
    more.value = whole;
    expect(get("opacity")).not.toBeNull();
    press(get("explorer"), "?");
    expect(get("help-box")).not.toBeNull();
  });

  test("the veil of the tour is there already, and the tour lifts it", async () => {
    more.value = null;
    const { get } = await open({ traits: { mode: "guided" } });
    expect(get("explorer").hasAttribute("data-veiled")).toBe(true);
    more.value = whole;
    expect(get("explorer").hasAttribute("data-veiled")).toBe(true);
    get("next").click();
    get("next").click();
    expect(get("explorer").hasAttribute("data-veiled")).toBe(false);
  });
});
