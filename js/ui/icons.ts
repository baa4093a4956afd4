import { html, type TemplateResult } from "lit-html";

const icon = (path: string): TemplateResult =>
  html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${path} /></svg>`;

export const icons = {
  play: icon("M4.5 2.8v10.4L13 8z"),
  pause: icon("M4 3h3v10H4zM9 3h3v10H9z"),
  step: icon("M3.5 2.8v10.4L10.5 8zM11 3h2v10h-2z"),
  reset: icon("M8 3.2a4.8 4.8 0 1 1-4.6 3.4l1.2.4A3.5 3.5 0 1 0 8 4.5v2L4.6 3.9 8 1.2z"),
  locked: icon("M5 7V5a3 3 0 0 1 6 0v2h1v7H4V7zm1.3 0h3.4V5a1.7 1.7 0 0 0-3.4 0z"),
  unlocked: icon("M5 7V4.5a3 3 0 0 1 5.9-.7l-1.3.3a1.7 1.7 0 0 0-3.3.4V7H12v7H4V7zM5.3 8.3v4.4h5.4V8.3z"),
  previous: icon("M10.3 3 11.2 4 7 8l4.2 4-.9 1L5 8z"),
  next: icon("M5.7 3 4.8 4 9 8l-4.2 4 .9 1L11 8z"),
  close: icon("M4 3.1 8 7.1l4-4 .9.9-4 4 4 4-.9.9-4-4-4 4-.9-.9 4-4-4-4z"),
  plus: icon("M7.4 3h1.2v4.4H13v1.2H8.6V13H7.4V8.6H3V7.4h4.4z"),
  undo: icon(
    "M6.2 2.6l.9.9L5 5.6h4.6a3.9 3.9 0 0 1 0 7.8H6v-1.3h3.6a2.6 2.6 0 0 0 0-5.2H5L7.1 9l-.9.9L2.6 6.25z",
  ),
  redo: icon(
    "M9.8 2.6l-.9.9L11 5.6H6.4a3.9 3.9 0 0 0 0 7.8H10v-1.3H6.4a2.6 2.6 0 0 1 0-5.2H11L8.9 9l.9.9 3.6-3.65z",
  ),
  save: icon("M7.35 2h1.3v6.6l2.2-2.2.9.9L8 11.1 4.25 7.3l.9-.9 2.2 2.2zM2.5 12.6h11v1.3h-11z"),
  card: icon(
    "M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8m0 1.3a4.9 4.9 0 1 0 0 9.8 4.9 4.9 0 0 0 0-9.8" +
      "M7.35 7.2h1.3v4.2h-1.3zM7.35 4.7h1.3V6h-1.3z",
  ),
  help: icon(
    "M5 5.7A3 3 0 0 1 8 2.9c1.8 0 3.1 1.1 3.1 2.7 0 1.2-.6 1.9-1.5 2.5-.7.5-.9.8-.9 1.5v.3H7.3v-.5c0-1.2.5-1.9" +
      " 1.4-2.5.7-.5 1-.8 1-1.4 0-.8-.7-1.3-1.7-1.3S6.5 4.8 6.4 5.7zM7.2 11.3h1.6v1.7H7.2z",
  ),
  star: icon("M8 1.8 9.9 6l4.5.5-3.4 3 1 4.5L8 11.7 4 14l1-4.5-3.4-3L6.1 6z"),
  table: icon(
    "M2 3h12v10H2zm1.3 1.3v2h3v-2zm4.3 0v2h5.1v-2zm-4.3 3.3v1.6h3V7.6zm4.3 0v1.6h5.1V7.6zm-4.3 2.9v1.2h3v-1.2zm4.3 0v1.2h5.1v-1.2z",
  ),
  panel: icon("M2 3h12v10H2zm1.3 1.3v7.4h5.9V4.3z"),
};
