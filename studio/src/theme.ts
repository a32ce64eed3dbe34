// Dark and light: as the system has it, until one chooses.

import { h, icon, replace } from "./dom";

const KEY = "lorarium-theme";

function now(): "dark" | "light" {
  const kept = localStorage.getItem(KEY);
  if (kept === "dark" || kept === "light") return kept;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = now();
}

export function themeButton(): HTMLElement {
  const button = h("button", { class: "plain", onclick: turn });
  function show() {
    const dark = now() === "dark";
    replace(button, icon(dark ? "sun" : "moon"));
    button.setAttribute("aria-label", dark ? "Light colours" : "Dark colours");
  }
  function turn() {
    localStorage.setItem(KEY, now() === "dark" ? "light" : "dark");
    applyTheme();
    show();
    dispatchEvent(new Event("theme"));
  }
  show();
  return button;
}
