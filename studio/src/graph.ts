// Where a file comes from and what came of it, as a small drawing with a list behind it.

import { type Row } from "./api";
import { type Relatives } from "./card";
import { h, s } from "./dom";
import { share } from "./words";

interface Node {
  key: string;
  name: string;
  note: string;
}

const MOST = 5;
const LINE = 34;

export function lineageGraph(row: Row, relatives: Relatives): HTMLElement | null {
  const { lineage, names } = relatives;
  if (!lineage) return null;
  const node = (item: any, note: string): Node => ({ ...(names[item.path] ?? { key: "", name: "?" }), note });
  const parents: Node[] = (lineage.merge?.parents ?? []).map((p: any) =>
    node(p, p.weight === null ? p.verdict : `× ${Number(p.weight).toFixed(2)} · ${share(p.share)} · ${p.verdict}`));
  const children: Node[] = lineage.children.map((p: any) => node(p, p.weight === null ? "merge" : `× ${Number(p.weight).toFixed(2)} in it`));
  const beside: Node[] = [
    ...lineage.copies.map((c: any) => node(c, c.class ?? c.note)),
    ...lineage.run.map((r: any) => node(r, r.note)),
    ...lineage.start.map((r: any) => node(r, "the same start")),
  ];
  if (!parents.length && !children.length && !beside.length)
    return h("p", { class: "muted" }, "No parents, copies or merges of it are in this library.");
  const columns = [parents, beside, children];
  const rows = Math.max(1, ...columns.map((c) => Math.min(c.length, MOST + 1)));
  const height = Math.max(90, 40 + rows * LINE);
  return h("div", { class: "lineage" },
    drawing(row, parents, children, height),
    part("Made of", parents), part("Copies and relatives", beside), part("Went into", children));
}

function drawing(row: Row, parents: Node[], children: Node[], height: number): SVGElement | null {
  if (!parents.length && !children.length) return null;
  const middle = height / 2;
  const place = (i: number, n: number) => middle + (i - (n - 1) / 2) * LINE;
  const out: SVGElement[] = [];
  const side = (nodes: Node[], x: number, from: number, to: number) => {
    const few = nodes.slice(0, MOST);
    few.forEach((node, i) => {
      const y = place(i, few.length);
      const bend = (from + to) / 2;
      out.push(s("path", { class: "edge", d: `M${from} ${y}C${bend} ${y} ${bend} ${middle} ${to} ${middle}` }));
      out.push(box(x, y, node.name, node.key));
    });
  };
  side(parents, 70, 138, 192);
  side(children, 450, 382, 328);
  out.push(box(260, middle, row.name, "", true));
  const left = parents.length ? 0 : 190;
  const right = children.length ? 520 : 330;
  return s("svg", { class: "lineage-drawing", viewBox: `${left} 0 ${right - left} ${height}`, role: "img", "aria-label": `${row.name}: made of ${parents.length}, went into ${children.length}` }, ...out);
}

function box(x: number, y: number, name: string, key: string, own = false): SVGElement {
  const words = name.length > 19 ? `${name.slice(0, 18)}…` : name;
  const group = s("g", { class: own ? "node own" : "node" },
    s("rect", { x: x - 68, y: y - 13, width: 136, height: 26, rx: 8 }), s("text", { x, y: y + 4 }, words), s("title", {}, name));
  if (key) group.addEventListener("click", () => (location.hash = `#/card/${key}`));
  return group;
}

function part(title: string, nodes: Node[]): HTMLElement | null {
  if (!nodes.length) return null;
  return h("div", {}, h("h3", {}, title), h("ul", { class: "plain-list" }, nodes.slice(0, 12).map((node) =>
    h("li", {}, node.key ? h("a", { href: `#/card/${node.key}` }, node.name) : h("span", {}, node.name), h("span", { class: "muted small-text" }, ` ${node.note}`)))));
}
