// The one box: words, and files or pictures that are dropped on it or anywhere on the page.

import { upload } from "./api";
import { h, icon, replace } from "./dom";
import { changed, query } from "./query";
import { on, rowsOf } from "./state";
import { DRAGGED } from "./tile";
import { attempt } from "./toast";

const WAIT = 220; // milliseconds after the last letter

export function searchBox(): HTMLElement {
  const chips = h("span", { class: "chips" });
  const input = h("input", {
    id: "search",
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "Search words, or drop a picture or a file",
    "aria-label": "Search: words, or files dropped here",
    maxlength: 500,
  });
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      query.text = input.value.trim();
      changed();
    }, WAIT);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      clearTimeout(timer);
      query.text = input.value.trim();
      changed();
    } else if (event.key === "Escape") input.blur();
  });
  const show = () =>
    replace(chips, query.like.map((like) =>
      h("button", { class: "chip", "aria-label": `No longer like ${like.name}`, onclick: () => forget(like.name) },
        like.name, icon("close"))));
  on("query", show);
  const box = h("div", { class: "search", role: "search" }, icon("search"), chips, input, h("kbd", { "aria-hidden": "true" }, "/"));
  box.addEventListener("paste", (event) => void take(event.clipboardData?.files));
  dropsOn(box);
  return box;
}

function forget(name: string): void {
  query.like = query.like.filter((like) => like.name !== name);
  changed();
}

export function lookLike(key: string, name: string): void {
  query.like = [{ key, name }];
  query.text = "";
  const box = document.querySelector<HTMLInputElement>("#search");
  if (box) box.value = "";
  location.hash = "#/shelf";
  changed();
}

async function take(files?: FileList | null): Promise<void> {
  for (const file of [...(files ?? [])].slice(0, 8)) {
    const sent = await attempt(upload(file));
    if (sent) query.like.push({ upload: sent, name: sent.name });
  }
  if (files?.length) changed();
}

export function dropsOn(element: HTMLElement): void {
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("dropping");
  });
  element.addEventListener("dragleave", () => element.classList.remove("dropping"));
  element.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    element.classList.remove("dropping");
    const key = event.dataTransfer?.getData(DRAGGED);
    if (key) {
      const [row] = await rowsOf([key]);
      if (row) lookLike(row.key, row.name);
    } else await take(event.dataTransfer?.files);
  });
}
