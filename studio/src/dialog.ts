// Questions and longer words over the page, with the browser's own dialog: focus stays inside, and
// Escape closes.

import { type Child, h } from "./dom";

export function dialog(title: string, body: Child[], buttons: HTMLElement[] = []): HTMLDialogElement {
  const box = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "dialog-title" },
    h("h2", { id: "dialog-title" }, title),
    h("div", { class: "dialog-body" }, ...body),
    h("div", { class: "row end" }, ...buttons),
  );
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close();
  });
  document.body.append(box);
  box.showModal();
  return box;
}

export function confirm(title: string, text: string, yes: string): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = false;
    const go = h("button", { class: "primary", onclick: () => ((answer = true), box.close()) }, yes);
    const no = h("button", { onclick: () => box.close() }, "Not now");
    const box = dialog(title, [h("p", {}, text)], [no, go]);
    box.addEventListener("close", () => resolve(answer));
    go.focus();
  });
}
