// Tidying: a plan to look at, carried out when it is confirmed, and taken back when it is not wanted.

import { ask, type Job, send } from "./api";
import { confirm } from "./dialog";
import { h, replace } from "./dom";
import { finished } from "./events";
import { jobBar } from "./progress";
import { attempt, toast } from "./toast";
import { count, size } from "./words";

interface File {
  key: string;
  name: string;
}
interface Item {
  number: number;
  why: string;
  file: File;
  folder: string;
  reason: string;
  bytes: number;
  chosen: boolean;
  to: string;
  keeper: File | null;
  beside: string[];
}
interface Plan {
  plan: { made: string; items: Item[] } | null;
  runs: { run: string; files: number }[];
}

const WORDS: { [why: string]: [string, string] } = {
  "identical bytes": ["Identical files", "The same bytes again, under another name."],
  "same weights": ["The same weights", "Another dialect, number type or metadata; every module is the same up to rounding."],
  "cut down": ["Cut down", "What a reduction to fewer ranks left of another file. They go only when you choose them."],
  dead: ["Dead files", "They change nothing at all."],
  broken: ["Broken files", "Cut short or damaged."],
  "other dialect": ["Conversions", "Written anew for the program, read back and compared; the old file goes to the trash."],
  "other name": ["Names", "Renamed by the pattern, with descriptions and previews."],
  "wrong suffix": ["Wrong suffix", "Safetensors under the name of another format: renamed, not moved."],
};

const PATTERNS = ["{title}", "{title} r{rank}", "{family} {title}", "{author} - {title}"];
const wishes = { program: "", pattern: "" };

export function tidyView(place: HTMLElement): void {
  const body = h("div", { class: "stack" });
  const state = h("div", { class: "stack", role: "status" });
  const program = h("select", { id: "tidy-program" }, h("option", { value: "" }, "no conversions"));
  const pattern = h("input", { id: "tidy-pattern", maxlength: 200, placeholder: "{title} r{rank}", list: "tidy-patterns" });
  pattern.value = wishes.pattern;
  void attempt(ask<{ programs: object }>("/api/methods")).then((offered) => {
    if (!offered) return;
    replace(program, h("option", { value: "" }, "no conversions"), Object.keys(offered.programs).map((p) => h("option", { value: p }, p)));
    program.value = wishes.program;
  });
  replace(
    place,
    h("div", { class: "tidy" },
      h("div", { class: "row wrap" },
        h("div", { class: "grow" }, h("h1", {}, "Tidy"),
          h("p", { class: "muted" }, "A plan to look at first. Files go to a trash folder in the library and can be put back; nothing is deleted.")),
        h("button", { class: "primary", onclick: plan }, "Look for what to tidy")),
      h("details", { class: "panel", open: Boolean(wishes.program || wishes.pattern) }, h("summary", {}, "Convert and rename, too"),
        h("div", { class: "row wrap" },
          h("label", { class: "field" }, h("span", {}, "Convert to what this program loads"), program),
          h("label", { class: "field grow" }, h("span", {}, "Rename by a pattern"), pattern)),
        h("datalist", { id: "tidy-patterns" }, PATTERNS.map((value) => h("option", { value }))),
        h("p", { class: "muted small-text" }, "Fields are {name} {title} {family} {base} {author} {rank} {kind} {dialect} {dtype} {word} {tag}. A file of which one is not known keeps its name.")),
      state, body),
  );

  function plan(): void {
    [wishes.program, wishes.pattern] = [program.value, pattern.value.trim()];
    void run("tidy-plan", wishes);
  }

  async function run(kind: string, asked: unknown = {}): Promise<void> {
    const job = await attempt(send<Job>(`/api/jobs/${kind}`, asked));
    if (!job) return;
    replace(state, jobBar(job.id));
    const done = await finished(job);
    if (!place.isConnected) return;
    replace(state);
    if (done.state === "done" && kind !== "tidy-plan") {
      const { moved, problems } = done.result;
      replace(state, h("p", { class: "note good" }, `${count(moved.length, "file")} ${kind === "tidy-apply" ? "moved to the trash, renamed or converted" : "put back"}.`),
        problems.map((p: { path: string; problem: string }) => h("p", { class: "note bad" }, `${p.path}: ${p.problem}`)));
      if (kind === "tidy-apply") await replan();
    }
    await show();
  }

  async function replan(): Promise<void> {
    const job = await attempt(send<Job>("/api/jobs/tidy-plan", wishes));
    if (job) await finished(job);
  }

  async function show(): Promise<void> {
    body.setAttribute("aria-busy", "true");
    const answer = await attempt(ask<Plan>("/api/tidy"));
    body.removeAttribute("aria-busy");
    if (!answer || !body.isConnected) return;
    replace(body, answer.plan ? planPart(answer.plan) : h("div", { class: "empty" }, h("h2", {}, "No plan yet"), h("p", {}, "Copies in any form, dead and broken files and wrong suffixes are looked for; it takes a moment.")), runsPart(answer.runs));
  }

  function planPart(plan: { made: string; items: Item[] }): HTMLElement {
    if (!plan.items.length) return h("div", { class: "empty" }, h("h2", {}, "All tidy"), h("p", {}, "No copies, no dead and no broken files were seen."));
    const sum = h("strong", { role: "status" });
    const apply = h("button", { class: "primary", onclick: () => void confirmed() });
    const boxes = new Map<Item, HTMLInputElement>();
    const count_ = () => {
      const chosen = plan.items.filter((item) => item.chosen);
      const bytes = chosen.reduce((n, item) => n + item.bytes, 0);
      sum.textContent = `${chosen.length} of ${count(plan.items.length, "file")} chosen, ${size(bytes)} to win`;
      apply.textContent = chosen.length ? `Tidy ${count(chosen.length, "file")} away` : "Nothing is chosen";
      apply.disabled = !chosen.length;
    };
    const set = (items: Item[], want: boolean) => {
      for (const item of items) {
        item.chosen = want;
        boxes.get(item)!.checked = want;
      }
      count_();
    };
    async function confirmed(): Promise<void> {
      const chosen = plan.items.filter((item) => item.chosen);
      const bytes = chosen.reduce((n, item) => n + item.bytes, 0);
      if (await confirm(`Tidy ${count(chosen.length, "file")} away?`, `They go to the trash folder of the library (${size(bytes)}) and can be put back with one click.`, "Tidy them away"))
        await run("tidy-apply", { made: plan.made, chosen: chosen.map((item) => item.number) });
    }
    const groups = [...new Set(plan.items.map((item) => item.why))].map((why) => {
      const items = plan.items.filter((item) => item.why === why);
      const [title, words] = WORDS[why] ?? [why, ""];
      return h("section", { class: "panel" },
        h("div", { class: "row wrap" }, h("div", { class: "grow" }, h("h2", {}, `${title} (${items.length})`), h("p", { class: "muted" }, words)),
          h("button", { class: "small", onclick: () => set(items, true) }, "Choose all"), h("button", { class: "small", onclick: () => set(items, false) }, "None")),
        h("ul", { class: "plan" }, items.slice(0, 500).map((item) => {
          const box = h("input", { type: "checkbox", checked: item.chosen, "aria-label": `Tidy ${item.file.name} away`, onchange: () => ((item.chosen = box.checked), count_()) });
          boxes.set(item, box);
          return h("li", {}, box,
            h("div", { class: "grow" },
              h("div", { class: "row" }, item.file.key ? h("a", { href: `#/card/${item.file.key}` }, item.file.name) : item.file.name, item.to && h("span", {}, `→ ${item.to}`), item.bytes > 0 && h("span", { class: "muted" }, size(item.bytes))),
              h("div", { class: "muted small-text" }, item.keeper && ["a copy of ", item.keeper.key ? h("a", { href: `#/card/${item.keeper.key}` }, item.keeper.name) : item.keeper.name, " "], item.reason),
              item.beside.length > 0 && h("div", { class: "muted small-text" }, `with ${item.beside.join(", ")}`)));
        })),
        items.length > 500 && h("p", { class: "muted" }, `and ${items.length - 500} more`));
    });
    for (const item of plan.items) if (!boxes.has(item)) boxes.set(item, h("input", { type: "checkbox" }));
    count_();
    return h("div", { class: "stack" }, h("div", { class: "bar sticky" }, sum, h("span", { class: "grow" }), apply), groups);
  }

  function runsPart(runs: { run: string; files: number }[]): HTMLElement | null {
    if (!runs.length) return null;
    return h("section", { class: "panel" }, h("h2", {}, "In the trash"),
      h("ul", { class: "plan" }, runs.map((r) => h("li", {}, h("span", { class: "grow" }, `${when(r.run)}: ${count(r.files, "file")}`),
        h("button", { onclick: () => void run("tidy-undo", { run: r.run }).then(() => toast("Put back")) }, "Put back")))));
  }

  void show();
}

function when(run: string): string {
  const [, y, m, d, hour, minute] = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)/.exec(run) ?? [];
  return y ? `${y}-${m}-${d} ${hour}:${minute} UTC` : run;
}
