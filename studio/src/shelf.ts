// The shelf: filters, order, and the grid of cards.

import { ask, type Row, send } from "./api";
import { h, icon, replace } from "./dom";
import { Grid, type Load } from "./grid";
import { clearQuery, filtered, parameters, query, toggle } from "./query";
import { on, remember, selected, session, tell } from "./state";
import { attempt } from "./toast";
import { count } from "./words";

const SORTS = [
  ["name", "Name"],
  ["modified", "Date"],
  ["size", "Size"],
  ["rank", "Rank"],
  ["norm", "Strength"],
  ["family", "Base model"],
];
const FACETS: [string, string][] = [
  ["family", "Base model"],
  ["folder", "Folder"],
  ["tags", "Tags"],
  ["own", "My tags"],
  ["kind", "Kind"],
  ["health", "Health"],
];
const FEW = 8;

type Facets = { [facet: string]: [string, number][] };
interface Answer {
  rows: Row[];
  note: string;
  total?: number;
}

export function shelfView(place: HTMLElement): () => void {
  const rail = h("aside", { class: "rail", id: "filters", "aria-label": "Filters" });
  const total = h("strong", { role: "status" });
  const note = h("p", { class: "note", hidden: true });
  const empty = h("div", { class: "empty", hidden: true });
  const grid = new Grid(async () => ({ total: 0, rows: [] }), "LoRA files", (n) => {
    total.textContent = n === session.files ? count(n, "file") : `${n.toLocaleString("en")} of ${count(session.files, "file")}`;
    empty.hidden = n > 0;
  });
  replace(empty, h("h2", {}, "Nothing here"), h("p", {}, "No file passes these words and filters."),
    h("button", { class: "primary", onclick: clearQuery }, "Show everything"));

  const sort = h("select", { id: "sort", "aria-label": "Order", onchange: () => ((query.sort = sort.value), tell("query")) },
    SORTS.map(([value, words]) => h("option", { value }, words)));
  sort.value = query.sort;
  const down = h("button", { class: "plain", "aria-label": "Turn the order round", onclick: () => ((query.down = !query.down), tell("query")) });
  const all = h("button", { class: "small", onclick: selectAll }, "Select all");
  const clear = h("button", { class: "small", onclick: clearQuery }, "Clear filters");
  const filters = h("button", { class: "small only-narrow", "aria-controls": "filters", "aria-expanded": "false", onclick: () => {
    const open = rail.classList.toggle("open");
    filters.setAttribute("aria-expanded", String(open));
  } }, icon("filter"), "Filters");

  const best = h("span", { class: "muted" }, "best first");
  const ordering = h("span", { class: "row" }, h("label", { class: "muted", for: "sort" }, "by"), sort, down);

  replace(
    place,
    h("h1", { class: "sr" }, "Shelf"),
    rail,
    h("section", { class: "shelf-main" },
      h("div", { class: "bar" }, filters, total, h("span", { class: "grow" }), clear, all,
        best, ordering),
      note, empty, grid.element),
  );

  let answers: Row[] | null = null; // of a search, best first
  let round = 0; // an answer that comes after a later question is not shown

  async function selectAll(): Promise<void> {
    const keys = answers?.map((row) => row.key) ?? (await attempt(ask<{ keys: string[] }>(`/api/keys?${parameters()}`)))?.keys ?? [];
    for (const key of keys.slice(0, 10_000)) selected.add(key);
    tell("selection");
  }

  async function show(): Promise<void> {
    const now = ++round;
    down.textContent = query.down ? "↓" : "↑";
    clear.hidden = !filtered();
    note.hidden = true;
    answers = null;
    const searching = query.like.length > 0 || query.text !== "";
    ordering.hidden = searching;
    best.hidden = !searching;
    if (searching) {
      const answer = await attempt(search());
      if (now !== round) return;
      if (!answer) return grid.show(async () => ({ total: 0, rows: [] }));
      note.textContent = answer.note;
      note.hidden = !answer.note;
      answers = answer.rows;
      await grid.show(pages(answer.rows));
    } else {
      const load: Load = (offset, limit) => ask(`/api/files?${parameters()}&offset=${offset}&limit=${limit}`);
      await attempt(grid.show(load));
    }
    if (now === round) void showFacets(now);
  }

  async function showFacets(now: number): Promise<void> {
    const asked = parameters();
    asked.delete("q"); // a search finds more than what has its letters
    const facets = await attempt(ask<Facets>(`/api/facets?${asked}`));
    if (facets && now === round && rail.isConnected) replace(rail, FACETS.map(([facet, words]) => facetList(facet, words, facets[facet] ?? [])));
  }

  const off = [on("query", () => void show()), on("library", () => void show())];
  void show();
  return () => {
    off.forEach((end) => end());
    grid.close();
  };
}

function pages(rows: Row[]): Load {
  remember(rows);
  return async (offset, limit) => ({ total: rows.length, rows: rows.slice(offset, offset + limit) });
}

function search(): Promise<Answer> {
  return send<Answer>("/api/search", {
    text: query.text,
    keys: query.like.flatMap((like) => like.key ?? []),
    uploads: query.like.flatMap((like) => like.upload?.id ?? []),
    chosen: Object.fromEntries([...query.chosen].map(([facet, values]) => [facet, [...values]])),
    own: query.own,
    count: 200,
  });
}

function facetList(facet: string, title: string, values: [string, number][]): HTMLElement | null {
  const chosen = facet === "own" ? new Set(query.own ? [query.own] : []) : (query.chosen.get(facet) ?? new Set());
  if (values.length < 2 && !chosen.size && facet !== "own") return null;
  if (!values.length) return null;
  const choose = (value: string) => {
    if (facet !== "own") return toggle(facet, value);
    query.own = query.own === value ? "" : value;
    tell("query");
  };
  const line = ([value, n]: [string, number]) =>
    h("label", { class: "facet" },
      h("input", { type: "checkbox", "data-keep": `${facet} ${value}`, checked: chosen.has(value), onchange: () => choose(value) }),
      h("span", { class: "grow cut", title: value }, value), h("span", { class: "muted" }, n.toLocaleString("en")));
  return h("fieldset", { class: "facets" }, h("legend", {}, title), values.slice(0, FEW).map(line),
    values.length > FEW && h("details", {}, h("summary", {}, `${values.length - FEW} more`), values.slice(FEW).map(line)));
}
