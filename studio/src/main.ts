// The page: the head, and one view at a time, by what stands after the # of the address.

import { onLocked } from "./api";
import { benchView } from "./bench";
import { cardView } from "./card";
import { darkroomView } from "./darkroom";
import { dialog } from "./dialog";
import { byId, h, icon, replace } from "./dom";
import { listen } from "./events";
import { help } from "./help";
import { mapView } from "./map";
import { jobsButton } from "./progress";
import { searchBox } from "./search";
import { shelfView } from "./shelf";
import { specView } from "./spec";
import { openSession, session } from "./state";
import { applyTheme, themeButton } from "./theme";
import { tidyView } from "./tidy";
import { attempt } from "./toast";
import { selectionTray } from "./tray";
import { welcome } from "./welcome";

export type View = (place: HTMLElement, rest: string) => (() => void) | void;

const VIEWS: { [name: string]: View } = {
  shelf: shelfView,
  map: mapView,
  bench: benchView,
  tidy: tidyView,
  darkroom: darkroomView,
  card: cardView,
  api: specView,
};
const TABS = [
  ["shelf", "Shelf"],
  ["map", "Map"],
  ["bench", "Bench"],
  ["tidy", "Tidy"],
  ["darkroom", "Darkroom"],
] as const;

let leave: (() => void) | void;

function show(): void {
  const [, name = "shelf", rest = ""] = /^#\/(\w+)\/?(.*)$/.exec(location.hash) ?? [];
  leave?.();
  const place = byId("view");
  place.replaceChildren();
  place.className = `view-${name}`;
  place.scrollTop = 0;
  for (const link of document.querySelectorAll<HTMLElement>(".tabs a"))
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  const title = TABS.find(([tab]) => tab === name)?.[1] ?? (name === "api" ? "For programs" : "Card");
  document.title = `${title} · Lorarium Studio`;
  const view = VIEWS[name] ?? shelfView;
  const ready = session.files > 0 || name === "darkroom";
  if (!ready) place.className = "view-welcome";
  leave = ready ? view(place, rest) : welcome(place, show);
}

function head(): void {
  replace(
    byId("head"),
    h("a", { class: "brand", href: "#/shelf", "aria-label": "Lorarium Studio" },
      h("img", { src: "/icon.svg", alt: "", width: 26, height: 26 }), h("span", {}, "Lorarium")),
    h("nav", { class: "tabs", "aria-label": "Views" },
      TABS.map(([name, words]) => h("a", { href: `#/${name}`, "data-view": name }, icon(name), h("span", {}, words)))),
    searchBox(),
    h("div", { class: "row tools" }, jobsButton(), themeButton(),
      h("button", { class: "plain", "aria-label": "Help and keys", onclick: help }, icon("help"))),
  );
}

function keys(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (target.matches("input, textarea, select")) return;
  if (event.key === "/") {
    event.preventDefault();
    document.querySelector<HTMLInputElement>("#search")?.focus();
  } else if (event.key === "?") help();
  else if (/^[1-5]$/.test(event.key)) location.hash = `#/${TABS[Number(event.key) - 1][0]}`;
}

function askToken(): Promise<boolean> {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
    const form = h("form", { class: "stack", method: "dialog" },
      h("label", { for: "token" }, "The access token, which stands where the studio was started"), input,
      h("button", { class: "primary" }, "Let me in"));
    let done = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      done = (await attempt(login(input.value))) !== null;
      if (done) box.close();
    });
    const box = dialog("This studio is locked", [form]);
    box.addEventListener("close", () => resolve(done));
  });
}

function login(token: string): Promise<unknown> {
  return fetch("/api/login", { method: "POST", body: token }).then((response) => {
    if (!response.ok) throw new Error("That is not the token");
    return true;
  });
}

async function start(): Promise<void> {
  applyTheme();
  onLocked(askToken);
  try {
    await openSession();
  } catch (error) {
    replace(byId("view"), h("div", { class: "empty" }, h("h1", {}, "The studio does not answer"),
      h("p", {}, String((error as Error).message)), h("button", { class: "primary", onclick: () => location.reload() }, "Try again")));
    return;
  }
  head();
  selectionTray(byId("tray"));
  listen();
  addEventListener("hashchange", show);
  addEventListener("keydown", keys);
  show();
}

void start();
