// A strip of cards to take from, by words.

import { ask, type Row } from "./api";
import { h, replace } from "./dom";
import { on } from "./state";
import { draggable } from "./tile";
import { attempt } from "./toast";

/** `wanted` says which files are offered, `take` gets the one that was chosen; `again` is what may
 * change which are offered. */
export function picker(label: string, family: () => string, wanted: (row: Row) => boolean, take: (row: Row) => void, again: string[]): HTMLElement {
  const strip = h("div", { class: "strip", role: "list" });
  const input = h("input", { type: "search", placeholder: label, "aria-label": label });
  let round = 0;
  const show = async () => {
    const now = ++round;
    const query = new URLSearchParams({ q: input.value.trim(), limit: "40" });
    if (family()) query.set("family", family());
    const page = await attempt(ask<{ rows: Row[] }>(`/api/files?${query}`));
    if (!page || now !== round || !strip.isConnected) return;
    const offered = page.rows.filter((row) => !row.error && wanted(row));
    replace(strip, offered.map((row) => {
      const button = h("button", { class: "strip-card", title: row.name, onclick: () => take(row) },
        h("img", { src: `/api/files/${row.key}/preview`, alt: "", loading: "lazy", draggable: "false" }), h("span", { class: "cut" }, row.name));
      draggable(button, row);
      return h("span", { role: "listitem" }, button);
    }), !offered.length && h("p", { class: "muted", role: "listitem" }, input.value.trim() ? "No file has these words." : `No other file${family() ? ` for ${family()}` : ""} is here.`));
  };
  let timer = 0;
  input.addEventListener("input", () => (clearTimeout(timer), (timer = setTimeout(() => void show(), 200))));
  for (const what of again) {
    const off = on(what, () => (strip.isConnected ? void show() : off()));
  }
  queueMicrotask(() => void show());
  return h("div", { class: "stack" }, input, strip);
}
