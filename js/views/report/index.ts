/** A report of an audit: its table, its pictures and its curves, linked. */
import { computed, type ReadonlySignal, react } from "../../lib/lifetime.js";
import { watchShade } from "../../lib/theme.js";
import { make } from "../../ui/mount.js";
import { mountCurves } from "./curves.js";
import type { ReportData } from "./data.js";
import { mountExtremes } from "./extremes.js";
import { mountMaps } from "./maps.js";
import { Store } from "./store.js";
import { openTable } from "./table.js";

/** Links what stands in the page: a `table`, a place for `extremes` if there is one, and the `box` of the pictures. */
export interface Places {
  table: HTMLTableElement;
  extremes: HTMLElement | null;
  box: HTMLElement;
}

export function openReport(data: ReportData, { table, extremes, box }: Places, life: AbortSignal): Store {
  const store = new Store(data);
  const shade = watchShade(life);
  const dark: ReadonlySignal<boolean> = computed(() => shade.value === "dark");
  openTable(table, store, life);
  if (extremes) mountExtremes(extremes, store, life);
  mountMaps(make("div", "", box), store, dark, life);
  mountCurves(make("div", "curves", box), store, dark, life);
  react(life, () => {
    if (store.asked.value) box.scrollIntoView({ block: "start" });
  });
  return store;
}
