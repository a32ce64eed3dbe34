// The same for each selected file: new files in another dialect or smaller, or other metadata.

import { ask, type Job, type Row, send } from "./api";
import { dialog } from "./dialog";
import { type Child, h, replace } from "./dom";
import { finished } from "./events";
import { jobBar } from "./progress";
import { attempt } from "./toast";
import { count } from "./words";

interface Offered {
  dialects: string[];
  programs: { [program: string]: string[] };
}
interface Result {
  done: number;
  of: number;
  problems: { path: string; problem: string }[];
}
type Form = { fields: Child[]; asked: () => { kind: string; [name: string]: unknown } };

const DTYPES: [string, string][] = [["", "as it is"], ["fp16", "fp16"], ["bf16", "bf16"], ["fp32", "fp32"]];

export async function batchDialog(keys: string[], rows: Row[]): Promise<void> {
  const offered = await attempt(ask<Offered>("/api/methods"));
  if (!offered) return;
  const families = [...new Set(rows.map((row) => row.family))];
  const forms: { [name: string]: Form } = { Convert: conversion(offered, families), Resize: resizing(), Metadata: metadata() };
  const body = h("div", { class: "stack" });
  const state = h("div", { class: "stack", role: "status" });
  const go = h("button", { class: "primary" });
  let chosen = "Convert";
  const radios = Object.keys(forms).map((name) => h("label", { class: "row" },
    h("input", { type: "radio", name: "batch", value: name, checked: name === chosen, onchange: () => ((chosen = name), show()) }), name));
  const form = h("form", { class: "stack", id: "batch", onsubmit: (event: Event) => (event.preventDefault(), void start()) },
    h("fieldset", { class: "row wrap" }, h("legend", { class: "sr" }, "What to do"), radios), body, state, h("div", { class: "row end" }, go));
  const show = () => {
    replace(body, forms[chosen].fields);
    go.textContent = `${chosen === "Metadata" ? "Change" : chosen} ${count(keys.length, "file")}`;
  };

  async function start(): Promise<void> {
    const { kind, ...asked } = forms[chosen].asked();
    const job = await attempt(send<Job>(`/api/jobs/${kind}`, { keys, ...asked }));
    if (!job) return;
    go.disabled = true;
    replace(state, jobBar(job.id));
    const done = await finished(job);
    go.disabled = false;
    if (done.state !== "done") return replace(state, h("p", { class: "note bad" }, done.error || done.state));
    const { done: right, of, problems } = done.result as Result;
    replace(state, h("p", { class: right ? "note good" : "note bad" }, `${right} of ${count(of, "file")} done.`),
      h("ul", { class: "plain-list problems" }, problems.map((p) => h("li", { class: "small-text" }, h("strong", {}, p.path.split(/[\\/]/).pop()!), ` ${p.problem}`))));
  }

  show();
  dialog(`${count(keys.length, "selected file")}`, [form]);
}

function field(words: string, element: HTMLElement): HTMLElement {
  return h("label", { class: "field grow" }, h("span", {}, words), element);
}

function choice(id: string, options: [string, string][]): HTMLSelectElement {
  return h("select", { id }, options.map(([value, words]) => h("option", { value }, words)));
}

/** What new names end in, which follows what is asked for until somebody writes their own. */
function ending(id: string, suggestion: () => string): { input: HTMLInputElement; suggest: () => void } {
  const input = h("input", { id, required: true, maxlength: 40, value: suggestion() });
  let own = false;
  input.addEventListener("input", () => (own = true));
  return { input, suggest: () => void (own || (input.value = suggestion())) };
}

function conversion({ dialects, programs }: Offered, families: string[]): Form {
  const known = Object.keys(programs).filter((p) => families.some((family) => programs[p].includes(family)));
  const target = h("select", { id: "batch-target", onchange: () => end.suggest() },
    known.length > 0 && h("optgroup", { label: "For a program" }, known.map((p) => h("option", { value: `for ${p}` }, p))),
    h("optgroup", { label: "In a dialect" }, dialects.filter((d) => d !== "peft").map((d) => h("option", { value: d }, d))));
  const end = ending("batch-convert-ending", () => `-${target.value.replace(/^for /, "")}`);
  const dtype = choice("batch-dtype", DTYPES);
  return {
    fields: [h("p", { class: "muted" }, "New files beside the old ones, read back and compared."),
      h("div", { class: "row wrap" }, field("To", target), field("Numbers", dtype), field("Names end in", end.input))],
    asked: () => {
      const program = target.value.startsWith("for ") ? target.value.slice(4) : "";
      return { kind: "convert", program, dialect: program ? "" : target.value, dtype: dtype.value, ending: end.input.value };
    },
  };
}

function resizing(): Form {
  const by = h("select", { id: "batch-by", onchange: () => ((amount.value = by.value === "rank" ? "8" : "95"), end.suggest()) },
    h("option", { value: "rank" }, "Rank"), h("option", { value: "energy" }, "Energy kept, %"));
  const amount = h("input", { id: "batch-amount", type: "number", min: 1, max: 4096, step: "any", value: 8, required: true, oninput: () => end.suggest() });
  const end = ending("batch-resize-ending", () => (by.value === "rank" ? `-r${amount.value}` : `-e${amount.value}`));
  const dtype = choice("batch-resize-dtype", DTYPES);
  return {
    fields: [h("p", { class: "muted" }, "New, smaller files beside the old ones, with the least error that their ranks allow."),
      h("div", { class: "row wrap" }, field("By", by), field("To", amount), field("Numbers", dtype), field("Names end in", end.input))],
    asked: () => {
      const value = Number(amount.value);
      const size = by.value === "rank" ? { rank: Math.round(value), energy: null } : { rank: null, energy: value / 100 };
      return { kind: "resize", ...size, dtype: dtype.value, ending: end.input.value };
    },
  };
}

function metadata(): Form {
  const put = h("textarea", { id: "batch-put", rows: 4, placeholder: "modelspec.author=Ada" });
  const remove = h("input", { id: "batch-remove", placeholder: "ss_session_id, ss_dataset_dirs" });
  return {
    fields: [h("p", { class: "muted" }, "The files themselves are changed: their headers, not their weights. This cannot be taken back."),
      field("Put in, NAME=VALUE, one on a line", put), field("Take out, with commas between", remove)],
    asked: () => {
      const lines = put.value.split("\n").filter((line) => line.includes("="));
      const entries = lines.map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1).trim()]);
      return { kind: "metadata", put: Object.fromEntries(entries), remove: remove.value.split(",").map((name) => name.trim()).filter(Boolean) };
    },
  };
}
