/** An exported page's door: the explorer on its own, fed from what is written in the page. */
import "../ui/index.css";
import "../views/saliency/index.css";
import "./page.css";
import { Host } from "../host/host.js";
import { show } from "./index.js";
import { OfflinePort, type PageData } from "./offline.js";
import { openSaved } from "./saved.js";

openSaved<PageData>((data, bytes, box) => {
  const life = new AbortController().signal;
  const host = new Host(new OfflinePort(data, bytes), life);
  show(host, box, life);
  host.open(life);
});
