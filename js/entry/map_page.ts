/** The door of an exported page of maps: the explorer on its own, fed from what is written in the page. */
import "../ui/index.css";
import "../views/saliency/index.css";
import "../views/embedding/index.css";
import "./page.css";
import { EmbeddingHost } from "../host/embedding.js";
import { show } from "./embedding.js";
import { MapOfflinePort, type MapPageData } from "./map_offline.js";
import { openSaved } from "./saved.js";
import { Sheets } from "./sheets.js";

openSaved<MapPageData>(async (data, bytes, box) => {
  const life = new AbortController().signal;
  const sheets = data.thumbnails && (await Sheets.open(data.thumbnails));
  const host = new EmbeddingHost(new MapOfflinePort(data, bytes, sheets), life);
  show(host, box, life);
  host.open(life);
});
