// One file: what it is, how to use it, what is like it and where it comes from, and one's own notes.

import { ask, type Row, send } from "./api";
import { h, icon, replace } from "./dom";
import { lineageGraph } from "./graph";
import { lookLike } from "./search";
import { on, remember, select, selected, session } from "./state";
import { health, toBench } from "./tile";
import { attempt, copy, toast } from "./toast";
import { count, day, number, share, size } from "./words";

interface Card {
  row: Row;
  path: string;
  facts: any;
  words: string[];
  prompt: string;
  note: { note: string; tags: string[] };
}
export interface Relatives {
  near: { key: string; name: string; family: string; score: number }[];
  close?: boolean | null;
  lineage: any;
  names: { [path: string]: { key: string; name: string } };
  why: string;
}

export function cardView(place: HTMLElement, key: string): () => void {
  let gone = false;
  replace(place, h("div", { class: "card-page skeleton", "aria-busy": "true" }, h("p", { class: "muted" }, "Reading the file…")));
  void attempt(ask<Card>(`/api/files/${key}`)).then((card) => {
    if (gone) return;
    if (!card) return replace(place, h("div", { class: "empty" }, h("h1", {}, "This file is not here"), h("a", { href: "#/shelf" }, "To the shelf")));
    remember([card.row]);
    show(place, card);
    document.title = `${card.row.name} · Lorarium Studio`;
    void attempt(ask<Relatives>(`/api/files/${key}/relatives`)).then((relatives) => {
      const spot = place.querySelector(".relatives");
      if (!gone && spot) relatives ? showRelatives(spot, card.row, relatives) : replace(spot, h("p", { class: "muted" }, "The library could not say."));
    });
  });
  return () => void (gone = true);
}

function show(place: HTMLElement, card: Card): void {
  const { row, facts } = card;
  const training = facts.training ?? {};
  const pick = h("button", { onclick: () => select(row.key) });
  const marks = () => (pick.textContent = selected.has(row.key) ? "Selected ✓" : "Select");
  marks();
  const off = on("selection", () => (pick.isConnected ? marks() : off()));
  replace(
    place,
    h("div", { class: "card-page" },
      h("div", { class: "row" }, h("a", { class: "button plain", href: "#/shelf", onclick: back }, icon("back"), "Back")),
      h("div", { class: "card-head" },
        h("img", { class: "card-picture", src: `/api/files/${row.key}/preview`, alt: "" }),
        h("div", { class: "stack grow" },
          h("h1", {}, row.title || row.name),
          h("p", { class: "muted path", title: card.path }, `${row.folder}/${row.name}${row.suffix}`),
          h("div", { class: "row wrap" }, h("span", { class: "badge family" }, row.family || "unknown base"), row.kind && h("span", { class: "badge" }, row.kind),
            row.rank && h("span", { class: "badge" }, `rank ${number(row.rank)}`), h("span", { class: "badge" }, size(row.size)), h("span", { class: "badge" }, row.dtype), health(row)),
          h("label", { class: "muted small-text", for: "prompt" }, "Prompt"),
          h("div", { class: "prompt" }, h("code", { id: "prompt", tabindex: 0 }, card.prompt),
            h("button", { class: "primary", onclick: () => copy(card.prompt, "the prompt") }, icon("copy"), "Copy")),
          card.words.length > 0 && h("div", { class: "row wrap" }, card.words.slice(0, 16).map((word) => h("button", { class: "word", onclick: () => copy(word) }, icon("copy"), word))),
          h("div", { class: "row wrap" },
            h("button", { onclick: () => (toBench(row), (location.hash = "#/bench")) }, icon("bench"), "To the bench"),
            h("button", { onclick: () => lookLike(row.key, row.name) }, icon("search"), "Find what is like it"), pick))),
      row.error || facts.error ? h("p", { class: "note bad" }, facts.error || row.error) : null,
      h("div", { class: "card-columns" },
        h("section", { class: "panel" }, h("h2", {}, "Where its energy lies"), energy(facts.energy ?? {})),
        h("section", { class: "panel" }, h("h2", {}, "Relatives"), h("div", { class: "relatives", "aria-live": "polite" }, h("p", { class: "muted" }, "Asking the library…"))),
        h("section", { class: "panel" }, h("h2", {}, "Facts"), factList(card)),
        h("section", { class: "panel" }, h("h2", {}, "My notes"), notes(card)),
        h("section", { class: "panel" }, h("h2", {}, "Health"), findings(facts.health ?? [])),
        h("section", { class: "panel wide" }, h("details", {}, h("summary", {}, h("h2", {}, `Metadata (${Object.keys(facts.metadata ?? {}).length})`)), pairs(facts.metadata ?? {}, true)))),
      training.comment && h("p", { class: "muted" }, training.comment)),
  );
}

function back(event: Event): void {
  if (history.length < 2) return;
  event.preventDefault();
  history.back();
}

function energy(shares: { [block: string]: number }): HTMLElement {
  const list = Object.entries(shares);
  if (!list.length) return h("p", { class: "muted" }, "Nothing is known of it.");
  const top = Math.max(...list.map(([, v]) => v));
  return h("div", { class: "energies", role: "list" }, list.map(([block, v]) =>
    h("div", { class: "energy", role: "listitem", title: `${block}: ${(100 * v).toFixed(1)}%` },
      h("span", { class: "cut small-text" }, block.replace("transformer_blocks.", "block ").replace("text_encoder", "text")),
      h("span", { class: "track" }, h("i", { style: { width: `${(100 * v) / top}%` } })),
      h("span", { class: "muted small-text num" }, share(v)))));
}

function factList(card: Card): HTMLElement {
  const { row, facts } = card;
  const training = facts.training ?? {};
  const parts = Object.entries(facts.parts ?? {}).map(([part, n]) => `${part} ${n}`).join(", ");
  const facts_ = {
    "Base model": `${row.family}${facts.family ? ` (${share(facts.family.confidence)} sure)` : ""}`,
    "Base, as it says": row.base,
    Dialect: row.dialect,
    Modules: parts,
    Rank: facts.rank ? `${facts.rank.min}${facts.rank.max !== facts.rank.min ? ` to ${facts.rank.max}` : ""}` : "",
    "Effective rank": facts.effective_rank ? number(facts.effective_rank) : "",
    Norm: facts.norm ? number(facts.norm) : "",
    Parameters: facts.parameters ? facts.parameters.toLocaleString("en") : "",
    Trainer: training.tool,
    Steps: training.steps,
    "Learning rate": training.learning_rate,
    Pictures: training.pictures,
    Author: row.author,
    License: training.license,
    Date: day(row.modified),
    "AutoV2 hash": facts.hashes?.AutoV2,
    Fingerprint: facts.fingerprint?.slice(0, 16),
  };
  return pairs(facts_);
}

function pairs(values: { [name: string]: unknown }, code = false): HTMLElement {
  const list = Object.entries(values).filter(([, v]) => v !== undefined && v !== null && v !== "");
  return h("dl", { class: code ? "pairs code" : "pairs" }, list.map(([name, v]) => [h("dt", {}, name), h("dd", {}, String(v))]));
}

function findings(list: { code: string; message: string; where: string }[]): HTMLElement {
  if (!list.length) return h("p", { class: "fine" }, "No problem found.");
  return h("ul", { class: "plain-list" }, list.map((f) => h("li", {}, h("strong", {}, f.code), ` ${f.message}`, f.where && h("span", { class: "muted" }, ` ${f.where}`))));
}

function notes(card: Card): HTMLElement {
  const text = h("textarea", { id: "note", rows: 4, maxlength: 20000, value: card.note.note, placeholder: "What it is good for, at which weight, with what" });
  const tags = h("input", { id: "own-tags", value: card.note.tags.join(", "), maxlength: 500, placeholder: "portraits, favourite", list: "known-tags" });
  const save = async () => {
    const list = tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
    const kept = await attempt(send<{ tags: string[] }>(`/api/files/${card.row.key}/note`, { note: text.value, tags: list }, "PUT"));
    if (kept) {
      card.row.own = kept.tags;
      toast("Kept beside the library");
    }
  };
  return h("form", { class: "stack", onsubmit: (event: Event) => (event.preventDefault(), void save()) },
    h("label", { for: "note" }, "Note"), text, h("label", { for: "own-tags" }, "Tags, with commas between"), tags,
    h("datalist", { id: "known-tags" }, session.tags.map(([tag]) => h("option", { value: tag }))),
    h("div", { class: "row" }, h("button", { class: "primary" }, "Keep"), h("a", { href: "/api/notes", download: "lorarium-notes.json" }, "Export all notes")));
}

function showRelatives(spot: Element, row: Row, relatives: Relatives): void {
  if (relatives.why) return replace(spot, h("p", { class: "muted" }, relatives.why));
  const near = relatives.near.slice(0, 8);
  replace(
    spot,
    lineageGraph(row, relatives),
    h("h3", {}, relatives.close === false ? "Nothing is close; the nearest" : "Most like it"),
    near.length
      ? h("ul", { class: "near" }, near.map((other) => h("li", {}, h("a", { href: `#/card/${other.key}`, class: "cut" }, other.name),
          h("span", { class: "track" }, h("i", { style: { width: `${Math.max(0, 100 * other.score)}%` } })), h("span", { class: "muted num small-text" }, other.score.toFixed(2)))))
      : h("p", { class: "muted" }, `No other of ${row.family} is here.`),
    h("p", { class: "muted small-text" }, `${count(near.length, "file")} by likeness of weights; 1 is the same.`),
  );
}
