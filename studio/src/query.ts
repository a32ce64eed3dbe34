// What the shelf shows: words and files of the search box, filters, and the order.

import { type Upload } from "./api";
import { tell } from "./state";

export const query = {
  text: "",
  like: [] as { key?: string; upload?: Upload; name: string }[],
  chosen: new Map<string, Set<string>>(),
  own: "",
  where: "",
  sort: "name",
  down: false,
};

export function changed(): void {
  tell("query");
  if (!/^#\/(shelf|map)?/.test(location.hash) || location.hash.startsWith("#/card")) location.hash = "#/shelf";
}

export function toggle(facet: string, value: string): void {
  const set = query.chosen.get(facet) ?? new Set();
  if (!set.delete(value)) set.add(value);
  query.chosen.set(facet, set);
  tell("query");
}

export function clearQuery(): void {
  query.text = query.own = query.where = "";
  query.like = [];
  query.chosen.clear();
  const box = document.querySelector<HTMLInputElement>("#search");
  if (box) box.value = "";
  tell("query");
}

export function filtered(): boolean {
  return Boolean(query.text || query.like.length || query.own || query.where || [...query.chosen.values()].some((v) => v.size));
}

/** The parameters that filter and sort, for the server. */
export function parameters(): URLSearchParams {
  const out = new URLSearchParams();
  if (query.text) out.set("q", query.text);
  if (query.where) out.set("where", query.where);
  if (query.own) out.set("own", query.own);
  out.set("sort", query.sort);
  if (query.down) out.set("down", "1");
  for (const [facet, values] of query.chosen) for (const value of values) out.append(facet, value);
  return out;
}
