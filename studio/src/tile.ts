// A card on the shelf.

import { type Row } from "./api";
import { h, icon } from "./dom";
import { putOnBench, select, selected } from "./state";
import { copy, toast } from "./toast";
import { number, size } from "./words";

export const DRAGGED = "application/x-lorarium-key";

export function promptOf(row: Row): string {
  return [...row.words.slice(0, 6), `<lora:${row.name}:0.8>`].join(", ");
}

export function toBench(row: Row): void {
  const problem = putOnBench(row);
  toast(problem || `${row.name} lies on the bench`, problem ? "error" : "info");
}

export function health(row: Row): HTMLElement | null {
  if (row.error) return h("span", { class: "badge bad", title: row.error }, "cannot be read");
  if (row.health.length)
    return h("span", { class: "badge warn", title: row.health.join(", ") }, row.health.length === 1 ? row.health[0] : `${row.health.length} findings`);
  return null;
}

export function draggable(element: HTMLElement, row: Row): void {
  element.draggable = true;
  element.addEventListener("dragstart", (event) => {
    event.dataTransfer?.setData(DRAGGED, row.key);
    event.dataTransfer?.setData("text/plain", promptOf(row));
  });
}

export function tile(row: Row): HTMLElement {
  const box = h("input", {
    type: "checkbox",
    class: "pick",
    tabindex: -1,
    "aria-label": `Select ${row.name}`,
    checked: selected.has(row.key),
    onchange: () => select(row.key, box.checked),
  });
  const facts = [row.kind && row.kind !== "lora" ? row.kind : "", row.rank ? `rank ${number(row.rank)}` : "", size(row.size)];
  const words = row.words.slice(0, 3);
  const card = h(
    "article",
    { class: "tile", role: "listitem", "data-key": row.key },
    h("a", { class: "tile-link", href: `#/card/${row.key}`, draggable: "false" },
      h("img", { src: `/api/files/${row.key}/preview`, alt: "", loading: "lazy", decoding: "async", draggable: "false" }),
      h("span", { class: "tile-name" }, row.name)),
    box,
    h("div", { class: "tile-facts" },
      h("span", { class: "badge family" }, row.family || "?"),
      h("span", { class: "muted" }, facts.filter(Boolean).join(" · "))),
    h("div", { class: "tile-words" },
      row.why && h("span", { class: "why" }, row.why),
      health(row),
      words.map((word) => h("button", { class: "word", tabindex: -1, title: `Copy ${word}`, onclick: () => copy(word) }, icon("copy"), word)),
      !words.length && !row.why && row.tags.slice(0, 3).map((tag) => h("span", { class: "badge" }, tag)),
      row.own?.slice(0, 2).map((tag) => h("span", { class: "badge own" }, tag))),
  );
  card.classList.toggle("selected", selected.has(row.key));
  draggable(card, row);
  return card;
}

/** What the keys do on the card that has the focus. */
export function tileKeys(event: KeyboardEvent, row: Row): boolean {
  if (event.key === " ") select(row.key);
  else if (event.key === "b") toBench(row);
  else if (event.key === "c") void copy(promptOf(row), "its prompt");
  else return false;
  event.preventDefault();
  return true;
}
