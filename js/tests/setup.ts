/** Views of tests are whole at once: the second half of the front end is there before the first is asked for. */
import { setMaxListeners } from "node:events";
import { fetchMore as fetchMaps } from "../views/embedding/behind.js";
import { fetchMore } from "../views/saliency/behind.js";

// All parts of a view end by one signal, so it has many listeners.
setMaxListeners(0);
await Promise.all([fetchMore(), fetchMaps()]);
