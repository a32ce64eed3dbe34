// What is selected, and what can be done with it, at the foot of every view.

import { batchDialog } from "./batch";
import { h, icon, replace } from "./dom";
import { clearSelection, on, rowsOf, selected, tell } from "./state";
import { promptOf, toBench } from "./tile";
import { attempt, copy } from "./toast";
import { count, size } from "./words";

export function selectionTray(place: HTMLElement): void {
  on("selection", async () => {
    place.classList.toggle("open", selected.size > 0);
    if (!selected.size) return replace(place);
    const rows = (await attempt(rowsOf([...selected].slice(0, 200)))) ?? [];
    const bytes = rows.reduce((sum, row) => sum + row.size, 0);
    const few = rows.length === selected.size;
    replace(
      place,
      h("div", { class: "tray", role: "region", "aria-label": "Selection" },
        h("strong", {}, `${count(selected.size, "file")} selected`),
        few && h("span", { class: "muted" }, size(bytes)),
        h("span", { class: "grow" }),
        h("button", { onclick: () => (rows.slice(0, 4).forEach(toBench), (location.hash = "#/bench")), disabled: selected.size > 4 }, "To the bench"),
        h("button", { onclick: () => ((location.hash = "#/map"), tell("selection")) }, "Show on the map"),
        h("button", { onclick: () => void batchDialog([...selected].slice(0, 5000), rows) }, "Convert, resize…"),
        h("button", { onclick: () => copy(rows.map(promptOf).join("\n"), `${count(rows.length, "prompt")}`) }, "Copy prompts"),
        h("button", { class: "plain", "aria-label": "Clear the selection", onclick: clearSelection }, icon("close"))),
    );
  });
}
