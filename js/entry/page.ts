/** An exported page's door: the explorer on its own, fed from what is written in the page. */
import "../ui/index.css";
import "../views/saliency/index.css";
import "./page.css";
import { Host } from "../host/host.js";
import { show } from "./index.js";
import { OfflinePort, type PageData } from "./offline.js";
import { unpack } from "./unpack.js";

async function open(data: PageData, box: HTMLElement, life: AbortSignal): Promise<void> {
  const blobs = Object.entries(data.blobs).map(async ([hash, blob]) => [hash, await unpack(blob)] as const);
  const host = new Host(new OfflinePort(data, new Map(await Promise.all(blobs))), life);
  show(host, box, life);
  host.open(life);
}

/** Each record can be taken along as a file: its own text, to the letter. */
function offerRecords(): void {
  for (const text of document.querySelectorAll<HTMLElement>(".record pre")) {
    const link = document.createElement("a");
    link.download = text.dataset.file ?? "record.json";
    link.href = URL.createObjectURL(new Blob([text.textContent ?? ""], { type: "application/json" }));
    link.textContent = "Download";
    text.before(link);
  }
}

const box = document.getElementById("explorer") as HTMLElement;
const source = document.getElementById("saliscope-data") as HTMLElement;
offerRecords();
open(JSON.parse(source.textContent ?? ""), box, new AbortController().signal).catch((error) => {
  const line = document.createElement("p");
  line.setAttribute("role", "alert");
  line.textContent = `This page cannot be shown: the file is damaged, or the browser is too old. (${error})`;
  box.replaceChildren(line);
});
