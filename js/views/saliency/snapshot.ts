/** The pictures on screen with their captions and legends, as one image: what a page can make by itself. */

import { oneLine } from "../../lib/format.js";

/** Pixels of the image for each of the screen. */
const SHARP = 2;
const MARGIN = 12;

/** `null` where nothing is drawn yet. */
export async function pictureOf(root: HTMLElement): Promise<Blob | null> {
  const area = root.querySelector<HTMLElement>(".panels");
  const box = area?.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  if (!area || !box?.width || !context) return null;
  canvas.width = SHARP * (box.width + 2 * MARGIN);
  canvas.height = SHARP * (box.height + 2 * MARGIN);
  context.fillStyle = getComputedStyle(root).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(SHARP, SHARP);
  context.translate(MARGIN - box.left, MARGIN - box.top);
  for (const drawn of area.querySelectorAll("canvas")) paintCanvas(context, drawn);
  for (const path of area.querySelectorAll<SVGPathElement>(".view svg:not(.icon) path"))
    paintPath(context, path);
  for (const text of textsOf(area)) paintText(context, text);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Runs `draw` where `element` can be seen. */
function clipped(context: CanvasRenderingContext2D, element: Element, draw: () => void): void {
  const { left, top, width, height } = element.getBoundingClientRect();
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  draw();
  context.restore();
}

function paintCanvas(context: CanvasRenderingContext2D, canvas: HTMLCanvasElement): void {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  if (!width || !canvas.width) return;
  clipped(context, canvas.closest(".view") ?? canvas, () => {
    context.imageSmoothingEnabled = getComputedStyle(canvas).imageRendering !== "pixelated";
    context.drawImage(canvas, left, top, width, height);
  });
}

/** Contours and the outline of a region; their lines have one width at any zoom. */
function paintPath(context: CanvasRenderingContext2D, path: SVGPathElement): void {
  const style = getComputedStyle(path);
  const outline = new Path2D();
  outline.addPath(new Path2D(path.getAttribute("d") ?? ""), path.getScreenCTM() ?? undefined);
  const whole = Number(style.opacity) * Number(getComputedStyle(path.ownerSVGElement ?? path).opacity);
  clipped(context, path.closest(".view") ?? path, () => {
    context.globalAlpha = whole * Number(style.fillOpacity);
    context.fillStyle = style.fill;
    if (style.fill !== "none") context.fill(outline, style.fillRule as CanvasFillRule);
    context.globalAlpha = whole * Number(style.strokeOpacity);
    context.strokeStyle = style.stroke;
    context.lineWidth = Number.parseFloat(style.strokeWidth);
    if (style.stroke !== "none") context.stroke(outline);
  });
}

function* textsOf(area: HTMLElement): Generator<Text> {
  const walker = document.createTreeWalker(area, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode as Text;
    // What asks for a hand has no place in a picture.
    if (text.data.trim() && !text.parentElement?.closest("button, .hint, option")) yield text;
  }
}

function paintText(context: CanvasRenderingContext2D, text: Text): void {
  const parent = text.parentElement as HTMLElement;
  const style = getComputedStyle(parent);
  const range = document.createRange();
  range.selectNodeContents(text);
  const [place] = range.getClientRects();
  if (!place || style.visibility === "hidden") return;
  clipped(context, parent.closest(".caption") ?? parent.closest(".panel") ?? parent, () => {
    const ground = parent.closest(".badge, .chip");
    if (ground) {
      const { left, top, width, height } = ground.getBoundingClientRect();
      context.fillStyle = getComputedStyle(ground).backgroundColor;
      context.fillRect(left, top, width, height);
    }
    context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    context.fillStyle = style.color;
    context.textBaseline = "middle";
    context.fillText(oneLine(text.data), place.left, place.top + place.height / 2);
  });
}
