// A file that was made of pictures beside others, drawn from the same noises.

import { type Job, type Row, send } from "./api";
import { h, replace } from "./dom";
import { drawnRows } from "./drawn";
import { finished } from "./events";
import { picker } from "./picker";
import { jobBar } from "./progress";
import { on, rowsOf } from "./state";
import { attempt } from "./toast";
import { number } from "./words";

const MOST = 3;

/** A panel that appears once the library has seen the file. */
export function comparison(key: string, prompt: string): HTMLElement {
  const place = h("div", { class: "stack" });
  const show = async () => {
    const [row] = await rowsOf([key]).catch(() => []);
    if (!row || place.childElementCount) return;
    off();
    panel(place, row, prompt);
  };
  const off = on("library", () => void show());
  void show();
  return place;
}

function panel(place: HTMLElement, made: Row, prompt: string): void {
  const others: Row[] = [];
  const chosen = h("p", { class: "muted", role: "status" });
  const pictures = h("div", { class: "drawn" });
  const words = h("input", { id: "compare-prompt", value: prompt, required: true, maxlength: 500 });
  const seeds = h("input", { id: "compare-count", type: "number", min: 1, max: 8, value: 3, style: { width: "4.5rem" } });
  const go = h("button", { class: "primary" }, "Draw them");
  const mark = () => {
    chosen.textContent = others.length ? `With ${others.map((row) => row.name).join(", ")}` : "Alone, and the base alone; choose others to see them beside it.";
  };
  const take = (row: Row) => {
    const at = others.findIndex((other) => other.key === row.key);
    if (at >= 0) others.splice(at, 1);
    else if (others.length < MOST) others.push(row);
    mark();
  };

  async function draw(): Promise<void> {
    const keys = [made.key, ...others.map((row) => row.key)];
    const job = await attempt(send<Job>("/api/jobs/compare", { keys, prompt: words.value, count: Number(seeds.value) }));
    if (!job) return;
    replace(pictures, jobBar(job.id));
    const done = await finished(job);
    if (!pictures.isConnected) return;
    if (done.state !== "done") return replace(pictures, h("p", { class: "note bad" }, done.error || done.state));
    const alike = (done.result.alike as number[]).map((cosine) => `cosine of weights ${number(cosine, 2)}`);
    replace(pictures, drawnRows(done.result, done.result.names, ["", ...alike]));
  }

  mark();
  replace(place,
    h("section", { class: "panel", "aria-label": "Compare" }, h("h2", {}, "Beside trained ones"),
      picker("Find files to compare with", () => made.family, (row) => row.key !== made.key, take, ["library"]), chosen,
      h("form", { class: "row wrap end-aligned", onsubmit: (event: Event) => (event.preventDefault(), void draw()) },
        h("label", { class: "field grow" }, h("span", {}, "Prompt"), words), h("label", { class: "field" }, h("span", {}, "Seeds"), seeds), go),
      pictures));
}
