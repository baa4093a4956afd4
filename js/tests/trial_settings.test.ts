// @vitest-environment jsdom
/** What a trial is asked with. */
import { expect, test } from "vitest";
import { INFO } from "../demo/results.js";
import { USUAL } from "../views/saliency/trial/fold.js";
import { frame, open, until } from "./page.js";

test("the score that is watched is one of the kernel's, and the rest stays", async () => {
  const asked = { ...USUAL, steps: 8 };
  const { kernel, get } = await open({ traits: { trial: asked, method: "saliency" } });
  await until(() => expect(get("trial-output")).not.toBeNull());
  const menu = get<HTMLSelectElement>("trial-output");
  const { outputs } = INFO.info;
  expect([...menu.options].map(({ value }) => value)).toEqual(outputs);
  expect(menu.value).toBe("probability");
  menu.value = "margin";
  menu.dispatchEvent(new Event("change", { bubbles: true }));
  await frame();
  expect(kernel.get("trial")).toEqual({ ...asked, output: "margin" });
  expect(menu.value).toBe("margin");
  kernel.set("trial", { ...asked, output: "logit" });
  await frame();
  expect(menu.value).toBe("logit");
});

test("no score is offered where every target is a function, which is its own", async () => {
  const target = { callable: "price" };
  const { kernel, get } = await open({ traits: { trial: USUAL, method: "saliency", target } });
  await until(() => expect(get("replacement")).not.toBeNull());
  expect(get("trial-output")).toBeNull();
  kernel.set("compare", [{ difference: [0, 0] }]);
  await frame();
  expect(get("trial-output")).toBeNull();
  kernel.set("compare", [{ target: 1 }]);
  await frame();
  expect(get("trial-output")).not.toBeNull();
});
