/** What judges maps: it runs only where one is on trial. */
import { later } from "../../../lib/later.js";

export const { part: bench, fetch: fetchBench } = later(() => import("./bench.js"));
