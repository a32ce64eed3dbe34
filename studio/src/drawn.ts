// Pictures that a job drew: a row for each file, a column for each seed.

import { h } from "./dom";

export interface Drawn {
  pictures: string[];
  columns: number;
  rows: number;
  seed: number;
}

export function drawnRows(drawn: Drawn, names: string[]): HTMLElement[] {
  const { pictures, columns, rows, seed } = drawn;
  return Array.from({ length: rows }, (_, i) =>
    h("div", { class: "drawn-row" }, h("h3", { class: "cut", title: names[i] ?? "" }, names[i] ?? ""),
      pictures.slice(i * columns, (i + 1) * columns).map((name, k) =>
        h("figure", {}, h("img", { src: `/api/pictures/${name}`, alt: `${names[i]}, seed ${seed + k}` }),
          i === 0 && h("figcaption", { class: "muted small-text" }, `seed ${seed + k}`)))));
}
