/** The second half of the view. */
import { later } from "../../lib/later.js";

export const { part: more, fetch: fetchMore } = later(() => import("./more.js"));
