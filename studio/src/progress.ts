// Jobs: the button in the head, the list behind it, and a bar for a job inside a view.

import { drop, type Job } from "./api";
import { h, icon, replace } from "./dom";
import { isOver } from "./events";
import { jobs, on } from "./state";
import { attempt } from "./toast";
import { seconds } from "./words";

const SHOWN = 12;

export function latest(): Job[] {
  return [...jobs.values()].sort((a, b) => b.made - a.made);
}

function state(job: Job): string {
  if (job.state === "waiting") return "waits for what is before it";
  if (job.state !== "running") return job.error || job.state;
  if (!job.total) return job.words || "at work";
  const part = job.done / job.total;
  const gone = Date.now() / 1000 - (job.began ?? 0);
  const left = part > 0.02 && gone > 2 ? `, ${seconds((gone * (1 - part)) / part)} left` : "";
  const count = job.total > 1 ? `${job.done} of ${job.total}` : `${Math.round(part * 100)}%`;
  return `${count}${job.words ? ` · ${job.words}` : ""}${left}`;
}

interface Line {
  element: HTMLElement;
  update: (job: Job) => void;
}

/** Kept for as long as the job is seen: a button that is made anew while somebody presses it does nothing. */
function jobLine(job: Job): Line {
  const bar = h("progress", { max: 1, "aria-label": job.title });
  const words = h("div", { class: "muted small-text" });
  const cancel = h("button", { class: "small", onclick: () => void attempt(drop(`/api/jobs/${job.id}`)) }, "Cancel");
  const element = h("div", { "data-job": job.id }, h("div", { class: "row" }, h("strong", { class: "grow" }, job.title), cancel), bar, words);
  const update = (now: Job) => {
    element.className = `job ${now.state.replace(" ", "-")}`;
    cancel.hidden = isOver(now);
    bar.hidden = now.state !== "running";
    if (now.total) bar.value = Math.min(1, now.done / now.total);
    else bar.removeAttribute("value");
    words.textContent = state(now);
  };
  update(job);
  return { element, update };
}

/** The bar of one job, kept up to date until it leaves the page. */
export function jobBar(id: string): HTMLElement {
  const box = h("div", { class: "job-bar", role: "status" });
  let line: Line | undefined;
  const show = () => {
    const job = jobs.get(id);
    if (!job) return;
    if (line) line.update(job);
    else box.append((line = jobLine(job)).element);
  };
  show();
  const off = on("jobs", () => (box.isConnected ? show() : off()));
  return box;
}

export function jobsButton(): HTMLElement {
  const label = h("span", { class: "jobs-label" });
  const button = h("button", { class: "plain jobs-button", popovertarget: "jobs", "aria-label": "Jobs" }, icon("jobs"), label);
  const list = h("div", { id: "jobs", popover: "auto", class: "popover", role: "region", "aria-label": "Jobs" });
  const lines = new Map<string, Line>();
  let before = "-";
  const show = () => {
    const all = latest();
    const open = all.filter((job) => !isOver(job));
    const now = open.find((job) => job.state === "running");
    const part = now?.total ? ` ${Math.round((100 * now.done) / now.total)}%` : "";
    label.textContent = now ? `${now.title}${part}` : "";
    button.classList.toggle("busy", open.length > 0);
    button.setAttribute("aria-label", now ? `Jobs: ${now.title}${part}` : "Jobs");
    const recent = all.slice(0, SHOWN);
    for (const job of recent) {
      const line = lines.get(job.id);
      if (line) line.update(job);
      else lines.set(job.id, jobLine(job));
    }
    const order = recent.map((job) => job.id).join();
    if (order === before) return;
    before = order;
    replace(list, h("h2", {}, "Jobs"), recent.length ? recent.map((job) => lines.get(job.id)!.element) : h("p", { class: "muted" }, "Nothing has been asked for yet."));
  };
  show();
  on("jobs", show);
  return h("div", { class: "jobs" }, button, list);
}
