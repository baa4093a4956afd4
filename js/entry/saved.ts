/** How a saved page opens, whichever explorer it shows. */
import { type PackedBlob, unpack } from "./unpack.js";

type Data = { blobs: Record<string, PackedBlob> };

/** Reads what is written in the page and hands it on, with its arrays unpacked. */
export function openSaved<D extends Data>(
  show: (data: D, bytes: ReadonlyMap<string, Uint8Array>, box: HTMLElement) => void | Promise<void>,
): void {
  const box = document.getElementById("explorer") as HTMLElement;
  offerRecords();
  read<D>()
    .then(([data, bytes]) => show(data, bytes, box))
    .catch((error) => {
      const line = document.createElement("p");
      line.setAttribute("role", "alert");
      line.textContent = `This page cannot be shown: the file is damaged, or the browser is too old. (${error})`;
      box.replaceChildren(line);
    });
}

async function read<D extends Data>(): Promise<[D, Map<string, Uint8Array>]> {
  const source = document.getElementById("saliscope-data") as HTMLElement;
  const data = JSON.parse(source.textContent ?? "") as D;
  const blobs = Object.entries(data.blobs).map(async ([hash, blob]) => [hash, await unpack(blob)] as const);
  return [data, new Map(await Promise.all(blobs))];
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
