// A grid of any number of cards, of which only those in sight exist. `load` brings a page of rows.

import { type Row } from "./api";
import { h } from "./dom";
import { on, remember, selected } from "./state";
import { tile, tileKeys } from "./tile";

const PAGE = 120;
const GAP = 16;
const LEAST = 190; // pixels of a card
const BELOW = 104; // of a card under its picture

export type Load = (offset: number, limit: number) => Promise<{ total: number; rows: Row[] }>;

export class Grid {
  readonly element: HTMLElement;
  total = 0;
  private readonly inner = h("div", { class: "grid-inner", role: "list" });
  private rows = new Map<number, Row>();
  private shown = new Map<number, HTMLElement>();
  private asked = new Set<number>();
  private columns = 1;
  private width = LEAST;
  private height = LEAST;
  private round = 0;
  private readonly off: () => void;
  private readonly watcher: ResizeObserver;

  constructor(private load: Load, label: string, private onTotal: (total: number) => void = () => {}) {
    this.element = h("div", { class: "grid", tabindex: 0, role: "region", "aria-label": label }, this.inner);
    this.element.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()), { passive: true });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.watcher = new ResizeObserver(() => this.measure());
    this.watcher.observe(this.element);
    this.off = on("selection", () => this.marks());
  }

  close(): void {
    this.watcher.disconnect();
    this.off();
  }

  async show(load: Load): Promise<void> {
    this.load = load;
    this.rows.clear();
    this.asked.clear();
    const round = ++this.round;
    this.element.setAttribute("aria-busy", "true");
    try {
      const page = await load(0, PAGE);
      if (round !== this.round) return;
      this.total = page.total;
      this.keep(0, page.rows);
      this.asked.add(0);
      this.element.scrollTop = 0;
      this.clear();
      this.measure();
      this.onTotal(page.total);
    } finally {
      if (round === this.round) this.element.removeAttribute("aria-busy");
    }
  }

  private keep(offset: number, rows: Row[]): void {
    remember(rows).forEach((row, i) => this.rows.set(offset + i, row));
  }

  private clear(): void {
    for (const element of this.shown.values()) element.remove();
    this.shown.clear();
  }

  private measure(): void {
    const style = getComputedStyle(this.element);
    const room = this.element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (room <= 0) return;
    this.columns = Math.max(1, Math.floor((room + GAP) / (LEAST + GAP)));
    this.width = (room - GAP * (this.columns - 1)) / this.columns;
    this.height = this.width * 0.72 + BELOW + GAP;
    this.inner.style.height = `${Math.ceil(this.total / this.columns) * this.height}px`;
    this.draw();
    for (const [i, element] of this.shown) this.place(element, i);
  }

  private place(element: HTMLElement, i: number): void {
    const x = (i % this.columns) * (this.width + GAP);
    const y = Math.floor(i / this.columns) * this.height;
    element.style.transform = `translate(${x}px, ${y}px)`;
    element.style.width = `${this.width}px`;
    element.style.height = `${this.height - GAP}px`;
  }

  private draw(): void {
    const top = this.element.scrollTop;
    const first = Math.max(0, Math.floor(top / this.height) - 1) * this.columns;
    const last = Math.min(this.total, (Math.ceil((top + this.element.clientHeight) / this.height) + 1) * this.columns);
    const focused = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>(".tile");
    for (const [i, element] of this.shown)
      if ((i < first || i >= last) && element !== focused) {
        element.remove();
        this.shown.delete(i);
      }
    for (let i = first; i < last; i++) {
      if (this.shown.has(i)) continue;
      const row = this.rows.get(i);
      if (!row) {
        void this.bring(Math.floor(i / PAGE) * PAGE);
        continue;
      }
      const element = tile(row);
      element.dataset.index = String(i);
      element.setAttribute("aria-setsize", String(this.total));
      element.setAttribute("aria-posinset", String(i + 1));
      this.place(element, i);
      const next = [...this.shown.keys()].filter((j) => j > i).sort((a, b) => a - b)[0];
      this.inner.insertBefore(element, next === undefined ? null : this.shown.get(next)!);
      this.shown.set(i, element);
    }
  }

  private async bring(offset: number): Promise<void> {
    if (this.asked.has(offset)) return;
    this.asked.add(offset);
    const round = this.round;
    const page = await this.load(offset, PAGE).catch(() => null);
    if (round !== this.round) return;
    if (page) this.keep(offset, page.rows);
    else this.asked.delete(offset);
    this.draw();
  }

  private marks(): void {
    for (const element of this.shown.values()) {
      const chosen = selected.has(element.dataset.key!);
      element.classList.toggle("selected", chosen);
      element.querySelector<HTMLInputElement>(".pick")!.checked = chosen;
    }
  }

  private key(event: KeyboardEvent): void {
    const focused = (event.target as HTMLElement).closest<HTMLElement>(".tile");
    if (!focused) {
      if (event.target === this.element && event.key === "ArrowDown") this.focus(this.firstInSight(), event);
      return;
    }
    const i = Number(focused.dataset.index);
    const row = this.rows.get(i);
    if ((event.target as HTMLElement).matches(".tile-link") && row && tileKeys(event, row)) return;
    const steps: { [key: string]: number } = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    if (event.key in steps) this.focus(i + steps[event.key], event);
    else if (event.key === "Home") this.focus(0, event);
    else if (event.key === "End") this.focus(this.total - 1, event);
  }

  private firstInSight(): number {
    return Math.floor(this.element.scrollTop / this.height) * this.columns;
  }

  private focus(i: number, event: Event): void {
    if (i < 0 || i >= this.total) return;
    event.preventDefault();
    const y = Math.floor(i / this.columns) * this.height;
    const view = this.element;
    if (y < view.scrollTop) view.scrollTop = y;
    else if (y + this.height > view.scrollTop + view.clientHeight) view.scrollTop = y + this.height - view.clientHeight;
    this.draw();
    this.shown.get(i)?.querySelector<HTMLElement>(".tile-link")?.focus({ preventScroll: true });
  }
}
