// Pictures that a job drew: a row for each file, a column for each seed.

import { h } from "./dom";

export interface Drawn {
  pictures: string[];
  columns: number;
  rows: number;
  seed: number;
}

/** `notes` stand below the names of rows. */
export function drawnRows(drawn: Drawn, names: string[], notes: string[] = []): HTMLElement[] {
  const { pictures, columns, rows, seed } = drawn;
  return Array.from({ length: rows }, (_, i) =>
    h("div", { class: "drawn-row" }, h("div", { class: "drawn-name" }, h("h3", { class: "cut", title: names[i] ?? "" }, names[i] ?? ""), notes[i] && h("p", { class: "muted small-text" }, notes[i])),
      pictures.slice(i * columns, (i + 1) * columns).map((name, k) =>
        h("figure", {}, h("img", { src: `/api/pictures/${name}`, alt: `${names[i]}, seed ${seed + k}` }),
          i === 0 && h("figcaption", { class: "muted small-text" }, `seed ${seed + k}`)))));
}
