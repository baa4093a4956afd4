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
  panel: icon("M2 3h12v10H2zm1.3 1.3v7.4h5.9V4.300z"),
};
