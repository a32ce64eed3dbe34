// Sliders for the blocks of a network: how much of the merge goes into each.

import { h, replace } from "./dom";

export type Weights = { [block: string]: number };
const LEAST = -1;
const MOST = 2;

/** Blocks that are not named in `weights` count as 1; `told` hears of every change. */
export function blockSliders(names: string[], presets: { [preset: string]: Weights }, weights: Weights, told: () => void): HTMLElement {
  const list = h("div", { class: "blocks" });
  const state = h("span", { class: "muted small-text" });
  const preset = h("select", { id: "blocks", onchange: () => take(presets[preset.value]) },
    h("option", { value: "" }, "of one's own"), Object.keys(presets).map((name) => h("option", { value: name }, name)));

  function say(): void {
    const changed = Object.keys(weights).length;
    state.textContent = changed ? `${changed} of ${names.length} are not 1` : "all are 1";
    const same = Object.entries(presets).find(([, values]) => names.every((name) => values[name] === (weights[name] ?? 1)));
    preset.value = same?.[0] ?? "";
  }

  function put(name: string, value: number): void {
    if (value === 1) delete weights[name];
    else weights[name] = value;
  }

  function take(values: Weights | undefined): void {
    if (!values) return;
    for (const name of names) put(name, values[name]);
    show();
    told();
  }

  function show(): void {
    replace(list, names.map((name) => {
      const value = h("output", { class: "num small-text" }, (weights[name] ?? 1).toFixed(2));
      const slider = h("input", { type: "range", min: LEAST, max: MOST, step: 0.05, value: weights[name] ?? 1, "data-block": name, oninput: () => {
        put(name, Number(slider.value));
        value.textContent = Number(slider.value).toFixed(2);
        say();
        told();
      } });
      return h("label", { class: "block" }, h("span", { class: "small-text" }, name), slider, value);
    }));
    say();
  }

  show();
  return h("details", { class: "by-block", open: Object.keys(weights).length > 0 },
    h("summary", {}, "By block ", state),
    h("div", { class: "stack" },
      h("div", { class: "row wrap" }, h("label", { class: "row" }, "Preset", preset), h("button", { class: "small", type: "button", onclick: () => take(Object.fromEntries(names.map((name) => [name, 1]))) }, "All to 1")),
      list));
}
