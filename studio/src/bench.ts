// The bench: two to four files, their weights, what a merge of them will do, pictures of it, and a
// file of it.

import { ask, type Job, type Row, send } from "./api";
import { blockSliders, type Weights } from "./blocks";
import { h, icon, replace } from "./dom";
import { drawnRows } from "./drawn";
import { finished, isOver } from "./events";
import { forecastPanel, type Forecast } from "./forecast";
import { picker } from "./picker";
import { jobBar, latest } from "./progress";
import { bench, folderNames, MOST_ON_BENCH, on, openSession, rowsOf, session, tell } from "./state";
import { DRAGGED, toBench } from "./tile";
import { attempt, toast } from "./toast";
import { number } from "./words";

interface Method {
  name: string;
  group: string;
  summary: string;
  least: number;
  most: number | null;
  numbers: { [name: string]: number };
}
interface Methods {
  methods: Method[];
  dialects: string[];
  programs: { [program: string]: string[] }; // and the base models that it loads
  blocks: { [family: string]: string[] };
  presets: { [family: string]: { [preset: string]: Weights } };
}

const mix = { method: "sum", numbers: {} as { [name: string]: number }, rank: "", blocks: {} as Weights, normalize: false };
const wish = { prompt: "", count: 3, seed: 0, alone: true, name: "", target: "", folder: 0 };
let methods: Methods;

export function benchView(place: HTMLElement): () => void {
  const slots = h("div", { class: "slots" });
  const how = h("div", { class: "stack" });
  const forecast = h("div", { class: "stack", "aria-live": "polite" });
  const drawing = h("div", { class: "stack" });
  const saving = h("div", { class: "stack" });
  const pictures = h("div", { class: "drawn" });
  let timer = 0;
  let round = 0;

  replace(
    place,
    h("div", { class: "bench" },
      h("h1", { class: "sr" }, "Bench"),
      h("section", { class: "panel", "aria-label": "On the bench" }, h("h2", {}, "On the bench"), slots,
        picker("Find files for the bench", () => bench[0]?.row.family ?? "", (row) => !bench.some((item) => item.row.key === row.key), toBench, ["bench", "library"])),
      h("section", { class: "panel" }, h("h2", {}, "How"), how),
      h("section", { class: "panel wide" }, h("h2", {}, "What it will do"), forecast),
      h("section", { class: "panel wide" }, h("h2", {}, "See it"), drawing, pictures),
      h("section", { class: "panel wide" }, h("h2", {}, "Keep it"), saving)),
  );

  function body() {
    const method = methods.methods.find((m) => m.name === mix.method)!;
    const names = methods.blocks[bench[0]?.row.family ?? ""] ?? [];
    const blocks = Object.fromEntries(Object.entries(mix.blocks).filter(([name]) => names.includes(name)));
    const numbers = Object.fromEntries(Object.entries(mix.numbers).filter(([name]) => name in method.numbers));
    return {
      inputs: bench.map((item) => ({ key: item.row.key, weight: item.weight })),
      method: mix.method,
      numbers,
      rank: mix.rank === "full" ? "full" : mix.rank ? Number(mix.rank) : null,
      blocks: Object.keys(blocks).length ? blocks : "",
      normalize: mix.normalize,
    };
  }

  function showSlots(): void {
    const cards = bench.map((item) => slot(item.row, item.weight, (weight) => {
      item.weight = weight;
      later();
    }));
    const free = bench.length < MOST_ON_BENCH
      ? h("div", { class: "slot free" }, icon("plus"), h("span", {}, bench.length ? "Drop another one here" : "Drop cards here, or choose below"))
      : null;
    replace(slots, cards, free);
  }

  slots.addEventListener("dragover", (event) => (event.preventDefault(), slots.classList.add("dropping")));
  slots.addEventListener("dragleave", () => slots.classList.remove("dropping"));
  slots.addEventListener("drop", async (event) => {
    event.preventDefault();
    slots.classList.remove("dropping");
    const key = event.dataTransfer?.getData(DRAGGED);
    const [row] = key ? await rowsOf([key]) : [];
    if (row) toBench(row);
  });

  function showHow(): void {
    const method = methods.methods.find((m) => m.name === mix.method)!;
    const groups = [...new Set(methods.methods.map((m) => m.group))];
    const choose = h("select", { id: "method", onchange: () => ((mix.method = choose.value), showHow()) },
      groups.map((group) => h("optgroup", { label: group }, methods.methods.filter((m) => m.group === group).map((m) => h("option", { value: m.name }, m.name)))));
    choose.value = mix.method;
    const rank = h("input", { id: "rank", inputmode: "numeric", pattern: "[0-9]+|full", size: 6, value: mix.rank, placeholder: "all", oninput: () => (mix.rank = rank.value.trim()) });
    const family = bench[0]?.row.family ?? "";
    const blocks = methods.blocks[family] ?? [];
    const normalize = h("input", { type: "checkbox", id: "normalize", checked: mix.normalize, onchange: () => (mix.normalize = normalize.checked) });
    replace(
      how,
      h("div", { class: "row wrap" },
        h("label", { class: "field" }, h("span", {}, "Method"), choose),
        h("label", { class: "field" }, h("span", {}, "Rank"), rank),
        Object.entries(method.numbers).map(([name, value]) => {
          const input = h("input", { type: "number", step: "any", "data-keep": name, value: mix.numbers[name] ?? value, style: { width: "6.5rem" }, oninput: () => (mix.numbers[name] = Number(input.value)) });
          return h("label", { class: "field" }, h("span", {}, name.replaceAll("_", " ")), input);
        })),
      h("label", { class: "row" }, normalize, "Bring all to one strength first"),
      blocks.length > 0 && blockSliders(blocks, methods.presets[family], mix.blocks, () => {}),
      h("p", { class: "muted" }, method.summary),
    );
  }

  function later(): void {
    clearTimeout(timer);
    timer = setTimeout(() => void foretell(), 350);
  }

  async function foretell(): Promise<void> {
    if (bench.length < 2) return replace(forecast, h("p", { class: "muted" }, "With two or more files, this says how much of each survives and where they collide."));
    const now = ++round;
    forecast.setAttribute("aria-busy", "true");
    if (!forecast.childElementCount || forecast.querySelector(".muted:only-child")) replace(forecast, h("p", { class: "muted" }, "Weighing…"));
    const { inputs } = body();
    const answer = await send<Forecast>("/api/forecast", { inputs }).catch((error: Error) => error);
    if (now !== round) return;
    forecast.removeAttribute("aria-busy");
    if (answer instanceof Error) return replace(forecast, h("p", { class: "note bad" }, answer.message));
    replace(forecast, forecastPanel(answer, bench.map((item) => item.row.name), (name) => {
      if (!methods.methods.some((m) => m.name === name)) return;
      mix.method = name;
      showHow();
      toast(`The method is ${name}`);
    }));
  }

  function showDrawing(): void {
    const family = bench[0]?.row.family;
    if (!session.torch) return replace(drawing, h("p", { class: "muted" }, "Drawing needs the extra torch: pip install 'lorarium[torch]'"));
    if (family && !session.bases.includes(family))
      return replace(drawing, h("p", { class: "muted" }, `No base model for ${family} is at hand: `, h("code", {}, `lorarium studio --base ${family}=FOLDER`), ` names one. Drawn here: ${session.bases.join(", ")}.`));
    const prompt = h("input", { id: "bench-prompt", value: wish.prompt, maxlength: 500, placeholder: "a cat in sty1", oninput: () => (wish.prompt = prompt.value) });
    const seed = h("input", { id: "seed", type: "number", min: 0, max: 4294967295, value: wish.seed, style: { width: "7rem" }, oninput: () => (wish.seed = Number(seed.value)) });
    const amount = h("input", { id: "amount", type: "number", min: 1, max: 8, value: wish.count, style: { width: "4.5rem" }, oninput: () => (wish.count = Number(amount.value)) });
    const alone = h("input", { type: "checkbox", checked: wish.alone, onchange: () => (wish.alone = alone.checked) });
    const go = h("button", { class: "primary", disabled: !bench.length }, "Draw");
    replace(
      drawing,
      h("form", { class: "row wrap end-aligned", onsubmit: (event: Event) => (event.preventDefault(), void render()) },
        h("label", { class: "field grow" }, h("span", {}, "Prompt"), prompt),
        h("label", { class: "field" }, h("span", {}, "First seed"), seed), h("label", { class: "field" }, h("span", {}, "Seeds"), amount),
        h("label", { class: "row" }, alone, "each alone, too"), go),
    );
  }

  async function render(): Promise<void> {
    const asked = { ...body(), prompt: wish.prompt || "a cat in sty1", count: wish.count, seed: wish.seed, alone: wish.alone };
    const job = await attempt(send<Job>("/api/jobs/render", asked));
    if (job) await follow(job);
  }

  /** Also what was asked for before the page was loaded. */
  async function follow(job: Job): Promise<void> {
    replace(pictures, jobBar(job.id));
    const done = await finished(job);
    if (!pictures.isConnected) return;
    if (done.state !== "done") return replace(pictures, h("p", { class: "note bad" }, done.error || done.state));
    replace(pictures, drawnRows(done.result, done.result.names));
  }

  function showSaving(): void {
    const name = h("input", { id: "out-name", value: wish.name, required: true, maxlength: 100, placeholder: bench.map((item) => item.row.name.slice(0, 24)).join(" + ") || "name", oninput: () => (wish.name = name.value) });
    const family = bench[0]?.row.family ?? "";
    const programs = Object.keys(methods.programs).filter((p) => methods.programs[p].includes(family));
    if (wish.target.startsWith("for ") && !programs.includes(wish.target.slice(4))) wish.target = "";
    const target = h("select", { id: "target", onchange: () => (wish.target = target.value) },
      h("option", { value: "" }, "as the first one"),
      programs.length > 0 && h("optgroup", { label: "For a program" }, programs.map((p) => h("option", { value: `for ${p}` }, p))),
      h("optgroup", { label: "In a dialect" }, methods.dialects.filter((d) => d !== "peft").map((d) => h("option", { value: d }, d))));
    target.value = wish.target;
    const folder = h("select", { id: "folder", onchange: () => (wish.folder = Number(folder.value)) }, folderNames().map((f, i) => h("option", { value: i }, f)));
    folder.value = String(Math.min(wish.folder, session.folders.length - 1));
    replace(
      saving,
      h("form", { class: "row wrap end-aligned", onsubmit: (event: Event) => (event.preventDefault(), void save()) },
        h("label", { class: "field grow" }, h("span", {}, "Name"), name),
        h("label", { class: "field" }, h("span", {}, "Write it"), target),
        h("label", { class: "field" }, h("span", {}, "Into"), folder),
        h("button", { class: "primary", disabled: !bench.length }, "Save the merge")),
      h("div", { id: "saved", role: "status" }),
    );
  }

  async function save(): Promise<void> {
    const spot = saving.querySelector("#saved")!;
    const program = wish.target.startsWith("for ") ? wish.target.slice(4) : "";
    const asked = { ...body(), name: wish.name, folder: wish.folder, program, dialect: program ? "" : wish.target };
    const job = await attempt(send<Job>("/api/jobs/merge", asked));
    if (!job) return;
    replace(spot, jobBar(job.id));
    const done = await finished(job);
    if (!spot.isConnected) return;
    if (done.state !== "done") return replace(spot, h("p", { class: "note bad" }, done.error || done.state));
    const r = done.result;
    replace(spot, h("p", { class: "note good" }, `${r.name} is written: ${r.modules} modules, ${r.dialect}${r.verified ? ", read back and equal" : ""}.`),
      r.notes.map((words: string) => h("p", { class: "muted small-text" }, words)));
    wish.name = "";
    void openSession();
  }

  function all(): void {
    showSlots();
    showHow();
    showDrawing();
    showSaving();
    void foretell();
  }

  replace(how, h("p", { class: "muted" }, "…"));
  const last = latest().find((job) => job.kind === "render");
  if (last && (!isOver(last) || (last.state === "done" && !bench.length))) void follow(last);
  const off = on("bench", () => methods && all());
  void attempt(ask<Methods>("/api/methods")).then((answer) => {
    if (!answer || !slots.isConnected) return;
    methods = answer;
    all();
  });
  return () => {
    off();
    clearTimeout(timer);
    round++;
  };
}

function slot(row: Row, weight: number, set: (weight: number) => void): HTMLElement {
  const slider = h("input", { type: "range", min: -1.5, max: 2, step: 0.05, value: weight, "aria-label": `Weight of ${row.name}` });
  const exact = h("input", { type: "number", min: -10, max: 10, step: 0.05, value: weight, "aria-label": `Exact weight of ${row.name}` });
  const take = (value: number, from: HTMLInputElement) => {
    if (!Number.isFinite(value)) return;
    const other = from === slider ? exact : slider;
    other.value = String(value);
    set(Math.max(-10, Math.min(10, value)));
  };
  slider.addEventListener("input", () => take(Number(slider.value), slider));
  exact.addEventListener("input", () => take(Number(exact.value), exact));
  const remove = () => {
    bench.splice(bench.findIndex((item) => item.row.key === row.key), 1);
    tell("bench");
  };
  return h("div", { class: "slot" },
    h("img", { src: `/api/files/${row.key}/preview`, alt: "" }),
    h("div", { class: "grow stack" },
      h("div", { class: "row" }, h("a", { class: "grow cut", href: `#/card/${row.key}` }, row.name),
        h("button", { class: "plain small", "aria-label": `Take ${row.name} off`, onclick: remove }, icon("close"))),
      h("span", { class: "muted small-text" }, `${row.family} · rank ${number(row.rank)} · norm ${number(row.norm)}`),
      h("div", { class: "row" }, slider, exact)));
}
