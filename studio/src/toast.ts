// A sentence at the edge of the page, for a moment.

import { byId, h } from "./dom";

export function toast(text: string, kind: "info" | "error" = "info"): void {
  const note = h("div", { class: `toast ${kind}` }, text);
  byId("toasts").append(note);
  setTimeout(() => note.remove(), kind === "error" ? 9000 : 4000);
}

export async function copy(text: string, what = text): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied: ${what}`);
  } catch {
    toast("The browser does not allow copying here", "error");
  }
}

/** Run something that asks the server; what goes wrong is said, and null comes back. */
export async function attempt<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), "error");
    return null;
  }
}
