// The first visit: what this is, and a way to try it at once.

import { type Job, send } from "./api";
import { h, replace } from "./dom";
import { finished } from "./events";
import { jobBar, latest } from "./progress";
import { on, openSession, session } from "./state";
import { attempt } from "./toast";

const WHAT = [
  ["Shelf", "Every file as a card: its base, rank, trigger words, and a picture or a drawing of where its energy lies."],
  ["Map", "Every file as a point, like ones together, by their weights and not by their names."],
  ["Bench", "Two to four files, sliders, and what the merge will do before anything is drawn."],
  ["Tidy", "Copies, dead and broken files, as a plan to look at. Nothing is ever deleted."],
];

export function welcome(place: HTMLElement, again: () => void): () => void {
  const state = h("div", { class: "welcome-state" });
  const go = async (path: string) => {
    const job = await attempt(send<Job>(path));
    if (!job) return;
    replace(state, jobBar(job.id));
    await finished(job);
    await openSession();
    if (session.files) again();
  };
  const show = () => {
    const running = latest().find((job) => ["index", "sample"].includes(job.kind) && ["running", "waiting"].includes(job.state));
    if (running) {
      replace(state, h("p", {}, `Reading ${session.folders.join(", ") || "files"}…`), jobBar(running.id));
      void finished(running).then(() => openSession()).then(() => (session.files ? again() : show()));
      return;
    }
    const last = latest().find((job) => job.kind === "index" && job.state === "failed");
    replace(
      state,
      last && h("p", { class: "note bad" }, last.error),
      h("div", { class: "row center" },
        h("button", { class: "primary large", onclick: () => go("/api/jobs/sample") }, "Try it with sample files"),
        session.folders.length > 0 && h("button", { class: "large", onclick: () => go("/api/jobs/index") }, "Read the folders again")),
      h("p", { class: "muted" }, "Your own files: start it as ", h("code", {}, "lorarium studio FOLDER"), ". Nothing leaves this machine."),
    );
  };
  replace(
    place,
    h("section", { class: "welcome" },
      h("img", { src: "/icon.svg", alt: "", width: 72, height: 72 }),
      h("h1", {}, "See your LoRAs"),
      h("p", { class: "lead" }, "Find them by looking, by words or by likeness; merge them by hand; keep them in order."),
      state,
      h("dl", { class: "what" }, WHAT.map(([name, words]) => h("div", {}, h("dt", {}, name), h("dd", {}, words))))),
  );
  show();
  return on("jobs", () => {
    if (!state.querySelector(".job-bar")) show();
  });
}
