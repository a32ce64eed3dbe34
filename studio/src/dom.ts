// Elements without markup: every text goes in as text, so nothing from a file is ever interpreted.

export type Child = Node | string | number | null | undefined | false | Child[];
export type Props = { [name: string]: unknown };

const SVG = "http://www.w3.org/2000/svg";

function fill(element: Element, props: Props, children: Child[]): void {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "style") Object.assign((element as HTMLElement).style, value);
    else if (name === "vars")
      for (const [key, v] of Object.entries(value as Props))
        (element as HTMLElement).style.setProperty(key, String(v));
    else if (name === "value" || name === "checked" || name === "indeterminate")
      (element as unknown as Props)[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
}

export function append(element: Element, children: Child[]): void {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child instanceof Node) element.append(child);
    else if (child !== null && child !== undefined && child !== false) element.append(String(child));
  }
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  fill(element, props, children);
  return element;
}

export function s(tag: string, props: Props = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS(SVG, tag) as SVGElement;
  fill(element, props, children);
  return element;
}

/** Other children; what had the focus keeps it, when it comes again under the same id or `data-keep`. */
export function replace(element: Element, ...children: Child[]): void {
  const active = document.activeElement as HTMLElement | null;
  const mark = active && active !== element && element.contains(active) ? active.id || active.dataset.keep : "";
  element.replaceChildren();
  append(element, children);
  if (!mark) return;
  for (const one of element.querySelectorAll<HTMLElement>("[id], [data-keep]"))
    if (one.id === mark || one.dataset.keep === mark) return one.focus({ preventScroll: true });
}

export function byId(id: string): HTMLElement {
  return document.getElementById(id)!;
}

/** A plain drawn sign; the words for those who do not see it stand on the button around it. */
export function icon(name: keyof typeof PATHS): SVGElement {
  return s(
    "svg",
    { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" },
    s("path", { d: PATHS[name] }),
  );
}

const PATHS = {
  shelf: "M4 5h6v6H4zM14 5h6v6h-6zM4 15h6v4H4zM14 15h6v4h-6z",
  map: "M6 7a2 2 0 1 0 .01 0M17 6a3 3 0 1 0 .01 0M10 16a2.5 2.5 0 1 0 .01 0M18 17a1.5 1.5 0 1 0 .01 0",
  bench: "M4 7h10M18 7h2M16 5v4M4 17h3M11 17h9M9 15v4M4 12h6M14 12h6M12 10v4",
  tidy: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v6M14 11v6",
  darkroom: "M4 6h16v12H4zM8 14l3-4 3 3 2-2 4 5M8 9.5h.01",
  search: "M11 4a7 7 0 1 0 .01 0M16 16l5 5",
  moon: "M20 14A8 8 0 1 1 10 4a6.5 6.5 0 0 0 10 10z",
  sun: "M12 8a4 4 0 1 0 .01 0M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  close: "M6 6l12 12M18 6L6 18",
  help: "M12 3a9 9 0 1 0 .01 0M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 17h.01",
  jobs: "M12 3a9 9 0 1 0 .01 0M12 7v5l3 2",
  back: "M15 5l-7 7 7 7",
  plus: "M12 5v14M5 12h14",
  filter: "M4 6h16M7 12h10M10 18h4",
  warn: "M12 4l9 16H3zM12 10v4M12 17h.01",
};
