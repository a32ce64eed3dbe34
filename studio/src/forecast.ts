// What a merge will do, in sentences and bars.

import { type Child, h } from "./dom";
import { share } from "./words";

export interface Forecast {
  sentences: string[];
  outcomes: { method: string; survives: number[]; disturbed: number[] }[];
  blocks: { name: string; energy: number[]; disturbed: number[] }[];
  expected: { method: string; weights: number[]; subject: number; style: number; both: number }[];
  left_out: { [method: string]: string };
  note: string;
  choice: string;
  shared: number;
}

const WORST = 6;

export function forecastPanel(forecast: Forecast, names: string[], choose: (method: string) => void): Child[] {
  const worst = [...forecast.blocks].sort((a, b) => Math.max(...b.disturbed) - Math.max(...a.disturbed)).slice(0, WORST);
  return [
    h("ul", { class: "sentences" }, forecast.sentences.map((words) => h("li", {}, words)),
      h("li", {}, `By these facts, ${forecast.choice} is the way to try first. `, h("button", { class: "small", onclick: () => choose(forecast.choice) }, `Use ${forecast.choice}`))),
    h("div", { class: "forecast-columns" },
      h("div", {}, h("h3", {}, "By method"),
        h("table", { class: "bars" },
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Method"), names.map((name) => h("th", { scope: "col" }, h("span", { class: "cut" }, name))))),
          h("tbody", {}, forecast.outcomes.map((outcome) =>
            h("tr", {}, h("th", { scope: "row" }, h("button", { class: "link", onclick: () => choose(outcome.method) }, outcome.method)),
              outcome.survives.map((survives, i) => h("td", {}, bar("survives", survives, "good"), bar("disturbed", outcome.disturbed[i], "bad"))))))),
        Object.entries(forecast.left_out).map(([method, why]) => h("p", { class: "muted small-text" }, `${method}: ${why}`))),
      h("div", {}, h("h3", {}, "Where the sum collides most"),
        worst.map((block) => h("div", { class: "energy" }, h("span", { class: "cut small-text" }, block.name.replace(/^(single_)?transformer_blocks\./, "$1block ")),
          h("span", { class: "track bad" }, h("i", { style: { width: `${100 * Math.min(1, Math.max(...block.disturbed))}%` } })),
          h("span", { class: "muted small-text num" }, Math.max(...block.disturbed).toFixed(2)))))),
    forecast.expected.length
      ? h("div", {}, h("h3", {}, "Of pictures, to be expected"),
          h("table", { class: "plain-table" },
            h("thead", {}, h("tr", {}, ["Way", "Subject", "Style", "Both"].map((w) => h("th", { scope: "col" }, w)))),
            h("tbody", {}, forecast.expected.map((e) => h("tr", {}, h("th", { scope: "row" }, `${e.method} ${e.weights.join(" : ")}`), [e.subject, e.style, e.both].map((v) => h("td", {}, share(v))))))))
      : forecast.note && h("p", { class: "muted small-text" }, `No shares of pictures are foretold: ${forecast.note}.`),
  ];
}

function bar(words: string, value: number, kind: string): HTMLElement {
  return h("div", { class: `bar-line ${kind}`, title: `${words} ${value.toFixed(2)}` },
    h("span", { class: "track" }, h("i", { style: { width: `${100 * Math.max(0, Math.min(1, value))}%` } })),
    h("span", { class: "num small-text" }, `${words} ${share(value)}`));
}
