// The map: every content a point, like ones together, each base model in a square of its own.

import { ask, type Job } from "./api";
import { h, replace } from "./dom";
import { finished } from "./events";
import { Nearest, Points } from "./gl";
import { groupColour, noColour, ramp, rgb } from "./palette";
import { jobBar } from "./progress";
import { query } from "./query";
import { on, selected, tell } from "./state";
import { attempt } from "./toast";
import { count, number, size } from "./words";

interface Field {
  words?: string[];
  values: (number | null)[];
}
interface Layout {
  key: string[];
  name: string[];
  x: number[];
  y: number[];
  width: number;
  height: number;
  panels: { family: string; count: number; x: number; y: number; side: number }[];
  fields: { [name: string]: Field };
  layout: string;
}

const NAMES: { [field: string]: string } = { cluster: "Groups", family: "Base model", folder: "Folder", tag: "First tag", kind: "Kind", tool: "Trainer", base: "Base, as it says", rank: "Rank", size: "Size" };
const LEGEND = 14;
const LABELS = 26;
const PANEL = 256;

export function mapView(place: HTMLElement): () => void {
  let gone = false;
  let close: (() => void) | undefined;
  const state = h("div", { class: "empty" }, h("p", {}, "Laying out…"));
  replace(place, h("h1", { class: "sr" }, "Map"), state);
  async function open(): Promise<void> {
    const answer = await attempt(ask<Layout | { job: Job }>("/api/map"));
    if (gone) return;
    if (!answer) return replace(state, h("h2", {}, "There is no map yet"), h("p", {}, "A map needs files that can be compared."));
    if ("job" in answer) {
      replace(state, h("h2", {}, "Laying out the map"), jobBar(answer.job.id), h("p", { class: "muted" }, "Like files are put together, by their weights. This is done once for each state of the library."));
      const job = await finished(answer.job);
      if (gone) return;
      if (job.state === "done") return open();
      return replace(state, h("h2", {}, "The map could not be made"), h("p", {}, job.error || job.state));
    }
    try {
      close = draw(place, answer);
    } catch (error) {
      replace(state, h("h2", {}, "The map cannot be drawn"), h("p", {}, (error as Error).message));
    }
  }
  void open();
  return () => {
    gone = true;
    close?.();
  };
}

function draw(place: HTMLElement, data: Layout): () => void {
  const n = data.key.length;
  const canvas = h("canvas", { tabindex: 0, role: "img", "aria-label": `Map of ${count(n, "file")}; arrows move it, plus and minus zoom` });
  const labels = h("div", { class: "map-labels", "aria-hidden": "true" });
  const tip = h("div", { class: "map-tip", hidden: true });
  const loop = h("canvas", { class: "map-lasso", "aria-hidden": "true" });
  const legend = h("div", { class: "legend" });
  const colour = h("select", { id: "map-colour", onchange: () => (paint(), request()) },
    Object.keys(data.fields).map((field) => h("option", { value: field }, NAMES[field] ?? field)));
  colour.value = data.fields.cluster ? "cluster" : "family";
  const lassoing = h("input", { type: "checkbox", id: "lasso" });
  const panel = h("div", { class: "map-panel" },
    h("div", { class: "row" }, h("label", { for: "map-colour" }, "Colour"), colour),
    legend,
    h("label", { class: "row" }, lassoing, "Lasso (or shift and drag)"),
    h("p", { class: "muted small-text" }, `${count(n, "content")}, copies once, laid out by ${data.layout}. Only within a base model do distances mean anything.`));
  replace(place, h("h1", { class: "sr" }, "Map"), h("div", { class: "map" }, canvas, loop, labels, tip), panel);

  const points = new Points(canvas);
  const xy = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) [xy[2 * i], xy[2 * i + 1]] = [data.x[i], data.y[i]];
  const nearest = new Nearest(xy, Math.max(data.width, data.height));
  const marks = new Float32Array(n);
  const of = new Map(data.key.map((key, i) => [key, i]));
  const folders = data.fields.folder;
  let texts: string[] | null = null; // of names and folders, made when words are first looked for
  points.places(xy);
  const view = { x: data.width / 2, y: data.height / 2, zoom: 1 };
  let fit = 1;
  let under = -1;
  let dim = 0.88; // of what is not marked
  let waiting = false;
  const frames: number[] = [];

  /** The middle of what the panel leaves free. */
  const middle = () => (canvas.clientWidth > 760 ? (canvas.clientWidth - PANEL) / 2 : canvas.clientWidth / 2);
  const toScreen = (x: number, y: number): [number, number] => [
    (x - view.x) * fit * view.zoom + middle(),
    (y - view.y) * fit * view.zoom + canvas.clientHeight / 2,
  ];
  const toMap = (x: number, y: number): [number, number] => [
    (x - middle()) / (fit * view.zoom) + view.x,
    (y - canvas.clientHeight / 2) / (fit * view.zoom) + view.y,
  ];

  function paint(): void {
    const field = data.fields[colour.value];
    const rgbs = new Float32Array(3 * n);
    const lines: [string, string, number | null][] = [];
    if (field.words) {
      const counts = new Array<number>(field.words.length).fill(0);
      for (const value of field.values) counts[value!]++;
      const order = counts.map((_, i) => i).filter((i) => field.words![i]).sort((a, b) => counts[b] - counts[a]);
      const rank = new Map(order.map((word, i) => [word, i]));
      const colours = field.words.map((_, i) => rgb(groupColour(rank.get(i) ?? -1)));
      for (let i = 0; i < n; i++) rgbs.set(colours[field.values[i]!], 3 * i);
      order.slice(0, LEGEND).forEach((word, i) => lines.push([groupColour(i), field.words![word], counts[word]]));
      const none = field.words.indexOf("");
      if (none >= 0 && counts[none]) lines.push([noColour(), "none", counts[none]]);
    } else {
      const sorted = field.values.filter((v): v is number => v !== null).sort((a, b) => a - b);
      const low = sorted[Math.floor(sorted.length * 0.02)] ?? 0;
      const high = sorted[Math.ceil(sorted.length * 0.98) - 1] ?? 1;
      field.values.forEach((v, i) => rgbs.set(rgb(v === null ? noColour() : ramp((v - low) / (high - low || 1))), 3 * i));
      const words = (v: number) => (colour.value === "size" ? size(v) : number(v));
      for (const t of [0, 0.5, 1]) lines.push([ramp(t), words(low + t * (high - low)), null]);
    }
    points.colours(rgbs);
    replace(legend, lines.map(([c, words, m]) =>
      h("button", { class: "legend-line", disabled: m === null, title: "Select these", onclick: () => choose((i) => (field.words![field.values[i]!] || "none") === words) },
        h("i", { style: { background: c } }), h("span", { class: "cut grow" }, words), m !== null && h("span", { class: "muted" }, m))));
  }

  function choose(inside: (i: number) => boolean): void {
    selected.clear();
    for (let i = 0; i < n; i++) if (inside(i)) selected.add(data.key[i]);
    tell("selection");
  }

  function mark(): void {
    marks.fill(0);
    for (const key of selected) {
      const i = of.get(key);
      if (i !== undefined) marks[i] = 1;
    }
    const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) {
      texts ??= data.name.map((name, i) => `${name} ${folders?.words![folders.values[i]!] ?? ""}`.toLowerCase());
      texts.forEach((text, i) => words.every((w) => text.includes(w)) && (marks[i] = 1));
    }
    dim = marks.some((m) => m === 1) ? 0.45 : 0.88;
    points.marks(marks);
    hover(under);
  }

  /** The one under the pointer, of all marks the only one that changes often. */
  function hover(i: number): void {
    if (under >= 0) points.mark(under, marks[under]);
    under = i;
    if (under >= 0) points.mark(under, 2);
    request();
  }

  function request(): void {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      render();
    });
  }

  function render(): void {
    const began = performance.now();
    const ratio = devicePixelRatio || 1;
    const [w, hgt] = [canvas.clientWidth, canvas.clientHeight];
    if (!w || !hgt) return;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(hgt * ratio)) {
      for (const c of [canvas, loop]) [c.width, c.height] = [Math.round(w * ratio), Math.round(hgt * ratio)];
    }
    fit = Math.min((2 * middle()) / data.width, hgt / data.height) * 0.9;
    const k = fit * view.zoom;
    const dense = Math.sqrt((w * hgt) / Math.max(n, 50));
    points.draw({
      scale: [(2 * k) / w, (-2 * k) / hgt],
      shift: [(2 * (middle() - k * view.x)) / w - 1, (2 * k * view.y) / hgt],
      size: Math.max(3, Math.min(15, dense * 0.34 * Math.sqrt(view.zoom))) * ratio,
      dim,
      ink: rgb(getComputedStyle(document.documentElement).getPropertyValue("--ink").trim()),
    });
    name();
    frames.push(performance.now() - began);
    if (frames.length > 60) frames.shift();
    canvas.dataset.frame = (frames.reduce((a, b) => a + b, 0) / frames.length).toFixed(2);
  }

  const groups = centres(data);
  function name(): void {
    const out: HTMLElement[] = data.panels.map((p) => {
      const [x, y] = toScreen(p.x + p.side / 2, p.y);
      return h("span", { class: "panel-name", style: { left: `${x}px`, top: `${y}px` } }, `${p.family} · ${p.count}`);
    });
    const taken: [number, number][] = [];
    for (const group of groups) {
      if (taken.length >= LABELS) break;
      const [x, y] = toScreen(group.x, group.y);
      if (x < 0 || y < 0 || x > canvas.clientWidth || y > canvas.clientHeight) continue;
      if (taken.some(([a, b]) => Math.abs(a - x) < 110 && Math.abs(b - y) < 22)) continue;
      taken.push([x, y]);
      out.push(h("span", { class: "group-name", style: { left: `${x}px`, top: `${y}px` } }, group.name));
    }
    replace(labels, out);
  }

  function point(event: PointerEvent): number {
    const box = canvas.getBoundingClientRect();
    const [x, y] = toMap(event.clientX - box.left, event.clientY - box.top);
    return nearest.find(x, y, 12 / (fit * view.zoom));
  }

  function zoom(factor: number, x = middle(), y = canvas.clientHeight / 2): void {
    const [a, b] = toMap(x, y);
    view.zoom = Math.max(0.5, Math.min(400, view.zoom * factor));
    const [c, d] = toMap(x, y);
    view.x += a - c;
    view.y += b - d;
    request();
  }

  let from: { x: number; y: number; moved: boolean; line: [number, number][] | null } | null = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = { x: event.clientX, y: event.clientY, moved: false, line: event.shiftKey || lassoing.checked ? [] : null };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) {
      const i = point(event);
      if (i !== under) hover(i);
      return show(event);
    }
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    if (Math.hypot(dx, dy) > 4) from.moved = true;
    if (from.line) {
      const box = canvas.getBoundingClientRect();
      from.line.push([event.clientX - box.left, event.clientY - box.top]);
      drawLoop(from.line);
    } else if (from.moved) {
      view.x -= dx / (fit * view.zoom);
      view.y -= dy / (fit * view.zoom);
      [from.x, from.y] = [event.clientX, event.clientY];
      request();
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!from) return;
    const { moved, line } = from;
    from = null;
    if (line && moved) {
      const loopOnMap = line.map(([x, y]) => toMap(x, y));
      choose((i) => within(xy[2 * i], xy[2 * i + 1], loopOnMap));
      drawLoop([]);
    } else if (!moved) {
      const i = point(event);
      if (i >= 0) location.hash = `#/card/${data.key[i]}`;
    }
  });
  canvas.addEventListener("pointerleave", () => {
    tip.hidden = true;
    hover(-1);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * 0.0016), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = 60 / (fit * view.zoom);
    const moves: { [key: string]: [number, number] } = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in moves) {
      view.x += moves[event.key][0];
      view.y += moves[event.key][1];
    } else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") Object.assign(view, { x: data.width / 2, y: data.height / 2, zoom: 1 });
    else return;
    event.preventDefault();
    request();
  });

  function show(event: PointerEvent): void {
    tip.hidden = under < 0;
    if (under < 0) return;
    const field = data.fields[colour.value];
    const value = field.values[under];
    replace(tip, h("strong", {}, data.name[under]), h("span", { class: "muted" }, `${NAMES[colour.value] ?? colour.value}: ${field.words ? field.words[value!] || "none" : number(value)}`));
    const box = canvas.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - 240)}px`;
    tip.style.top = `${event.clientY - box.top + 14}px`;
  }

  function drawLoop(line: [number, number][]): void {
    const pen = loop.getContext("2d")!;
    const ratio = devicePixelRatio || 1;
    pen.clearRect(0, 0, loop.width, loop.height);
    if (line.length < 2) return;
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.beginPath();
    line.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    [pen.strokeStyle, pen.fillStyle, pen.lineWidth, pen.globalAlpha] = [accent, accent, 1.5, 0.14];
    pen.fill();
    pen.globalAlpha = 1;
    pen.stroke();
    pen.setTransform(1, 0, 0, 1, 0, 0);
  }

  const watcher = new ResizeObserver(request);
  watcher.observe(canvas);
  const themed = () => (paint(), request());
  addEventListener("theme", themed);
  const off = [on("selection", mark), on("query", mark)];
  paint();
  mark();
  return () => {
    watcher.disconnect();
    removeEventListener("theme", themed);
    off.forEach((end) => end());
    points.close();
  };
}

/** The middle of each group, the largest first. */
function centres(data: Layout): { name: string; x: number; y: number }[] {
  const field = data.fields.cluster;
  if (!field?.words) return [];
  const sums = field.words.map((name) => ({ name, x: 0, y: 0, n: 0 }));
  field.values.forEach((value, i) => {
    const sum = sums[value!];
    sum.x += data.x[i];
    sum.y += data.y[i];
    sum.n++;
  });
  return sums.filter((sum) => sum.name && sum.n).sort((a, b) => b.n - a.n).map(({ name, x, y, n }) => ({ name, x: x / n, y: y / n }));
}

function within(x: number, y: number, line: [number, number][]): boolean {
  let inside = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
    const [[a, b], [c, d]] = [line[i], line[j]];
    if (b > y !== d > y && x < ((c - a) * (y - b)) / (d - b) + a) inside = !inside;
  }
  return inside;
}
