// Colours of groups: told apart in dark and light, and by those who see fewer colours.

const DARK = ["#7cc4f8", "#f2b45c", "#7fd6a2", "#ef8ba0", "#b9a2f5", "#e6d86a", "#6fd3cf", "#d99be0", "#a9c36b", "#f09a6c", "#94a3d8", "#c7ab8c"];
const LIGHT = ["#1f78b4", "#c96f12", "#1f8a5b", "#c43c5e", "#6a4fc0", "#97860a", "#0f8a88", "#a2449f", "#5f7d15", "#b94e21", "#4a5aa0", "#7d6244"];
const NONE = { dark: "#5d626d", light: "#b3ada3" };

export function dark(): boolean {
  return document.documentElement.dataset.theme === "dark";
}

/** The colour of the i-th largest group; of none, and of those beyond what an eye can tell apart. */
export function groupColour(i: number): string {
  const colours = dark() ? DARK : LIGHT;
  return i < 0 || i >= 3 * colours.length ? noColour() : colours[i % colours.length];
}

export function noColour(): string {
  return dark() ? NONE.dark : NONE.light;
}

export function rgb(hex: string): [number, number, number] {
  const n = parseInt(hex.slice(1), 16);
  return [((n >> 16) & 255) / 255, ((n >> 8) & 255) / 255, (n & 255) / 255];
}

/** From 0 to 1, dark to bright, for numbers. */
export function ramp(t: number): string {
  const stops = dark() ? ["#3b4a8c", "#2f8f8b", "#c9d85a"] : ["#2b3a80", "#1d8a86", "#d19a1c"];
  const at = Math.max(0, Math.min(0.9999, t)) * (stops.length - 1);
  const [a, b] = [rgb(stops[Math.floor(at)]), rgb(stops[Math.floor(at) + 1])];
  const mix = a.map((v, i) => Math.round(255 * (v + (b[i] - v) * (at % 1))));
  return `#${mix.map((v) => v.toString(16).padStart(2, "0")).join("")}`;
}
