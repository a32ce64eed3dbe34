import { dialog } from "./dialog";
import { h } from "./dom";

const KEYS = [
  ["/", "search"],
  ["1 – 5", "shelf, map, bench, tidy, darkroom"],
  ["arrows", "from card to card; on the map: move"],
  ["space", "select a card"],
  ["enter", "open it"],
  ["b", "put it on the bench"],
  ["c", "copy its prompt"],
  ["+  –  0", "the map: nearer, farther, all of it"],
  ["shift and drag", "the map: select what is inside"],
  ["?", "these words"],
];

export function help(): void {
  dialog("Keys", [
    h("dl", { class: "keys" }, KEYS.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("p", { class: "muted" }, "The search box takes words, and files or pictures that are dropped on it. Nothing leaves this machine."),
    h("p", {}, h("a", { href: "#/api", onclick: () => document.querySelector("dialog")?.close() }, "What programs may ask"), " · ", h("a", { href: "/api/notes", download: "lorarium-notes.json" }, "All notes and tags as a file")),
  ]);
}
