// The darkroom: a LoRA of a few pictures, at once.

import { type Job, send, type Upload, upload } from "./api";
import { comparison } from "./compare";
import { h, icon, replace } from "./dom";
import { finished } from "./events";
import { jobBar } from "./progress";
import { folderNames, openSession, session } from "./state";
import { attempt } from "./toast";
import { count } from "./words";

const pictures: { sent: Upload; url: string }[] = [];
const MOST = 60;

export function darkroomView(place: HTMLElement): void {
  const shelf = h("div", { class: "thumbs" });
  const result = h("div", { class: "stack", role: "status" });
  const input = h("input", { type: "file", multiple: true, accept: "image/png,image/jpeg,image/webp,image/gif,image/bmp", class: "sr", id: "pictures", onchange: () => void take(input.files) });
  const zone = h("label", { class: "zone", for: "pictures" }, icon("darkroom"), h("strong", {}, "Drop pictures here"), h("span", { class: "muted" }, "or click to choose; one or a dozen of the same hand, or of the same one"));
  const name = h("input", { id: "made-name", required: true, maxlength: 100, placeholder: "my-style" });
  const prompt = h("input", { id: "made-prompt", maxlength: 300, placeholder: "a {} in sty1" });
  const refine = h("input", { id: "refine", type: "number", min: 0, max: 500, value: 0 });
  const kinds = ["style", "subject"].map((kind, i) => h("input", { type: "radio", name: "kind", value: kind, checked: i === 0 }));
  const folder = h("select", { id: "made-folder" }, folderNames().map((f, i) => h("option", { value: i }, f)));
  const go = h("button", { class: "primary large" }, "Develop");

  zone.addEventListener("dragover", (event) => (event.preventDefault(), zone.classList.add("dropping")));
  zone.addEventListener("dragleave", () => zone.classList.remove("dropping"));
  zone.addEventListener("drop", (event) => (event.preventDefault(), zone.classList.remove("dropping"), void take(event.dataTransfer?.files)));

  async function take(files?: FileList | null): Promise<void> {
    for (const file of [...(files ?? [])]) {
      if (pictures.length >= MOST) break;
      const sent = await attempt(upload(file));
      if (sent?.kind === "picture") pictures.push({ sent, url: URL.createObjectURL(file) });
      show();
    }
    input.value = "";
  }

  function show(): void {
    replace(shelf, pictures.map((picture, i) =>
      h("figure", {}, h("img", { src: picture.url, alt: picture.sent.name }),
        h("button", { class: "plain small", "aria-label": `Take ${picture.sent.name} away`, onclick: () => (URL.revokeObjectURL(picture.url), pictures.splice(i, 1), show()) }, icon("close")))));
    go.disabled = !pictures.length || !session.torch || !session.folders.length;
    go.textContent = pictures.length ? `Develop ${count(pictures.length, "picture")}` : "Develop";
  }

  async function develop(): Promise<void> {
    const kind = kinds.find((k) => k.checked)!.value;
    const asked = { uploads: pictures.map((p) => p.sent.id), kind, name: name.value, prompt: prompt.value, refine: Number(refine.value), folder: Number(folder.value) };
    const job = await attempt(send<Job>("/api/jobs/synth", asked));
    if (!job) return;
    replace(result, jobBar(job.id));
    const done = await finished(job);
    if (!result.isConnected) return;
    if (done.state !== "done") return replace(result, h("p", { class: "note bad" }, done.error || done.state));
    const r = done.result;
    replace(result,
      h("p", { class: "note good" }, `${r.name} is written: ${r.modules} modules in ${r.seconds} s. It comes to the shelf with a sheet of samples as its picture.`),
      h("p", { class: "muted" }, `The pictures are ${r.distance.toFixed(2)} times as far from anything seen in training as is usual.`),
      r.warnings.map((w: string) => h("p", { class: "note warn" }, w)),
      comparison(r.key, (prompt.value || (kind === "style" ? "a {} in sty1" : "a sub1 {} in photo")).replace("{}", "cat")));
    void openSession();
  }

  replace(
    place,
    h("div", { class: "darkroom" },
      h("h1", {}, "Darkroom"),
      h("p", { class: "muted" }, "A LoRA for the embedded base model micro-1, made of pictures in a second, without training."),
      !session.torch && h("p", { class: "note warn" }, "This needs the extra torch: pip install 'lorarium[torch]'"),
      !session.folders.length && h("p", { class: "note warn" }, "There is no folder to write to: start the studio with one."),
      zone, input, shelf,
      h("form", { class: "panel stack", onsubmit: (event: Event) => (event.preventDefault(), void develop()) },
        h("fieldset", { class: "row wrap" }, h("legend", {}, "What the pictures share"),
          h("label", { class: "row" }, kinds[0], "the hand: a style"), h("label", { class: "row" }, kinds[1], "who is shown: a subject")),
        h("div", { class: "row wrap" },
          h("label", { class: "field grow" }, h("span", {}, "Name"), name), h("label", { class: "field" }, h("span", {}, "Into"), folder),
          h("label", { class: "field grow" }, h("span", {}, "Prompt for samples and refining"), prompt),
          h("label", { class: "field" }, h("span", {}, "Steps of refining"), refine)),
        h("div", { class: "row" }, go)),
      result),
  );
  show();
}
