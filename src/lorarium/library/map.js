"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const count = data.x.length;
const COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bb1",
  "#b2a100", "#7f5539", "#5f9ea0", "#e7298a", "#66a61e"];
const GREY = "#9a9a9a";
const RAMP = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"];
const canvas = document.querySelector("canvas");
const pen = canvas.getContext("2d");
const card = document.getElementById("card");
const legend = document.getElementById("legend");
const choice = document.getElementById("color");
const find = document.getElementById("find");

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;  // never as markup: it comes from files
  if (className) made.className = className;
  return made;
}

// colours
let field, colors = new Array(count), picked = null;

function mix(share) {
  const at = Math.min(RAMP.length - 1.001, Math.max(0, share * (RAMP.length - 1)));
  const i = Math.floor(at), part = at - i;
  const channel = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
  const values = [0, 1, 2].map(k =>
    Math.round(channel(RAMP[i], k) * (1 - part) + channel(RAMP[i + 1], k) * part));
  return `rgb(${values.join(",")})`;
}

function paintBy(name) {
  field = data.fields[name];
  picked = null;
  legend.replaceChildren();
  if (field.words) byWords(); else byNumbers();
  draw();
}

function byWords() {
  const sizes = new Array(field.words.length).fill(0);
  for (const value of field.values) sizes[value]++;
  const order = sizes.map((_, i) => i).sort((a, b) => sizes[b] - sizes[a] || a - b);
  const named = order.filter(i => field.words[i] !== "");
  const color = new Array(sizes.length).fill(GREY);
  named.slice(0, COLORS.length).forEach((value, i) => { color[value] = COLORS[i]; });
  for (let i = 0; i < count; i++) colors[i] = color[field.values[i]];
  for (const value of order) {
    const button = element("button");
    button.setAttribute("aria-pressed", "false");
    const dot = element("span", "", "dot");
    dot.style.background = color[value];
    button.append(dot, element("span", field.words[value] || "none"), element("small", sizes[value]));
    button.addEventListener("click", () => {
      picked = picked === value ? null : value;
      for (const other of legend.children) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", String(picked === value));
      draw();
    });
    legend.append(button);
  }
}

function byNumbers() {
  const known = field.values.filter(v => v !== null).sort((a, b) => a - b);
  const low = known[Math.floor(known.length * 0.02)];
  const high = known[Math.floor((known.length - 1) * 0.98)];
  for (let i = 0; i < count; i++) {
    const value = field.values[i];
    colors[i] = value === null ? GREY : mix(high > low ? (value - low) / (high - low) : 0.5);
  }
  const ramp = element("div", "", "ramp");
  ramp.style.background = `linear-gradient(90deg, ${RAMP.join(",")})`;
  const ends = element("div", undefined, "ends");
  ends.append(element("span", low.toLocaleString()), element("span", high.toLocaleString()));
  legend.append(ramp, ends);
}

// places
let scale = 1, left = 0, top_ = 0, wide = 1, high = 1;

function fit() {
  const box = canvas.getBoundingClientRect();
  wide = box.width; high = box.height;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = wide * ratio; canvas.height = high * ratio;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
}

function home() {
  const margin = 36;
  scale = Math.min((wide - 2 * margin) / data.width, (high - 2 * margin) / data.height);
  left = (wide - scale * data.width) / 2;
  top_ = (high - scale * data.height) / 2;
}

const CELL = 200;
const cells = new Map();
for (let i = 0; i < count; i++) {
  const key = Math.floor(data.x[i] / CELL) + "," + Math.floor(data.y[i] / CELL);
  if (!cells.has(key)) cells.set(key, []);
  cells.get(key).push(i);
}

function nearest(x, y) {
  const reach = 12 / scale, dx = (x - left) / scale, dy = (y - top_) / scale;
  let best = -1, least = reach * reach;
  for (let cx = Math.floor((dx - reach) / CELL); cx <= Math.floor((dx + reach) / CELL); cx++) {
    for (let cy = Math.floor((dy - reach) / CELL); cy <= Math.floor((dy + reach) / CELL); cy++) {
      for (const i of cells.get(cx + "," + cy) || []) {
        const far = (data.x[i] - dx) ** 2 + (data.y[i] - dy) ** 2;
        if (far < least && lit(i)) { best = i; least = far; }
      }
    }
  }
  return best;
}

// what is lit
let wanted = "";
const texts = data.path.map((path, i) =>
  [path, data.title[i], ...data.words[i]].join("\n").toLowerCase());

function lit(i) {
  return (picked === null || field.values[i] === picked) && (!wanted || texts[i].includes(wanted));
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  pen.clearRect(0, 0, wide, high);
  pen.font = "13px system-ui, sans-serif";
  for (const panel of data.panels) {
    const x = left + scale * panel.x, y = top_ + scale * panel.y;
    pen.fillStyle = style.getPropertyValue("--soft");
    pen.fillText(`${panel.family} (${panel.count})`, x, y - 14);
  }
  const size = Math.max(1.5, Math.min(6, 60 / Math.sqrt(count) * Math.sqrt(scale * data.width / wide)));
  let shown = 0;
  const on = [];
  pen.fillStyle = style.getPropertyValue("--dim");
  for (let i = 0; i < count; i++) if (lit(i)) on.push(i); else dot(i, size * 0.8);
  for (const i of on) { pen.fillStyle = colors[i]; dot(i, size); shown++; }
  for (const i of data.marked) ring(i, size, style.getPropertyValue("--ink"));
  writeNames(on, size, style);
  document.getElementById("count").textContent =
    shown === count ? "" : `${shown.toLocaleString()} of ${count.toLocaleString()}`;
}

function dot(i, size) {
  const x = left + scale * data.x[i], y = top_ + scale * data.y[i];
  if (x < -9 || y < -9 || x > wide + 9 || y > high + 9) return;
  if (size < 2) { pen.fillRect(x - size, y - size, 2 * size, 2 * size); return; }
  pen.beginPath();
  pen.arc(x, y, size, 0, 7);
  pen.fill();
}

function ring(i, size, ink) {
  const x = left + scale * data.x[i], y = top_ + scale * data.y[i];
  pen.strokeStyle = pen.fillStyle = ink;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(x, y, size + 5, 0, 7);
  pen.stroke();
  pen.textAlign = "center";
  pen.fillText(data.title[i] || data.path[i], x, y - size - 10);
  pen.textAlign = "start";
}

const FEW = 40;

// clusters where they lie, and every point where few are in sight; none stands on another
function writeNames(on, size, style) {
  const names = data.names.map(name => [name.text, name.x, name.y, 0, "600 14px", "--ink"]);
  const seen = on.filter(i => {
    const x = left + scale * data.x[i], y = top_ + scale * data.y[i];
    return x > 0 && y > 0 && x < wide && y < high;
  });
  if (seen.length <= FEW) {
    for (const i of seen) {
      const name = data.title[i] || data.path[i].replace(/^.*[/\\]|\.[^.]*$/g, "");
      names.push([name.slice(0, 40), data.x[i], data.y[i], size + 4, "12px", "--soft"]);
    }
  }
  const taken = [];
  pen.textAlign = "center";
  pen.lineWidth = 3;
  pen.strokeStyle = style.getPropertyValue("--paper");
  for (const [text, px, py, lift, font, ink] of names) {
    const x = left + scale * px, y = top_ + scale * py - lift;
    pen.font = font + " system-ui, sans-serif";
    const half = pen.measureText(text).width / 2 + 3;
    const box = [x - half, y - 14, x + half, y + 4];
    if (taken.some(t => box[0] < t[2] && t[0] < box[2] && box[1] < t[3] && t[1] < box[3])) continue;
    taken.push(box);
    pen.strokeText(text, x, y);
    pen.fillStyle = style.getPropertyValue(ink);
    pen.fillText(text, x, y);
  }
  pen.textAlign = "start";
}

function tell(i, x, y) {
  card.hidden = i < 0;
  if (i < 0) return;
  card.replaceChildren(element("b", data.title[i] || data.path[i]));
  if (data.title[i]) card.append(element("div", data.path[i]));
  if (data.also[i]) card.append(element("div", `and ${data.also[i]} more of the same bytes`));
  for (const name of Object.keys(data.fields)) {
    const known = data.fields[name], value = known.values[i];
    const text = known.words ? known.words[value] : value === null ? "" : value.toLocaleString();
    if (text && name !== "folder") card.append(element("div", `${name}: ${text}`));
  }
  if (data.words[i].length) card.append(element("div", data.words[i].join(", ")));
  const box = card.getBoundingClientRect();
  card.style.left = Math.max(4, Math.min(x + 14, wide - box.width - 4)) + "px";
  card.style.top = Math.max(4, Math.min(y + 14, high - box.height - 4)) + "px";
}

// hands
let held = null;
canvas.addEventListener("pointerdown", event => {
  held = [event.clientX, event.clientY];
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointerup", () => { held = null; });
canvas.addEventListener("pointermove", event => {
  const box = canvas.getBoundingClientRect();
  if (held) {
    left += event.clientX - held[0]; top_ += event.clientY - held[1];
    held = [event.clientX, event.clientY];
    card.hidden = true;
    draw();
  } else {
    const x = event.clientX - box.left, y = event.clientY - box.top;
    tell(nearest(x, y), x, y);
  }
});
canvas.addEventListener("pointerleave", () => { card.hidden = true; });
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
canvas.addEventListener("dblclick", () => { home(); draw(); });
canvas.addEventListener("keydown", event => {
  const step = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
  if (step[event.key]) { left += step[event.key][0]; top_ += step[event.key][1]; draw(); }
  else if (event.key === "+") zoom(1.25, wide / 2, high / 2);
  else if (event.key === "-") zoom(0.8, wide / 2, high / 2);
  else if (event.key === "0") { home(); draw(); }
  else return;
  event.preventDefault();
});

function zoom(factor, x, y) {
  left = x - (x - left) * factor; top_ = y - (y - top_) * factor;
  scale *= factor;
  card.hidden = true;
  draw();
}

find.addEventListener("input", () => { wanted = find.value.trim().toLowerCase(); draw(); });
choice.addEventListener("change", () => paintBy(choice.value));
window.addEventListener("resize", () => { fit(); draw(); });

document.querySelector("h1").textContent = `${count.toLocaleString()} adapters`;
canvas.title = `layout: ${data.layout}; drag, wheel, double click; distances count within a family`;
for (const name of Object.keys(data.fields)) {
  const option = element("option", name);
  option.value = name;
  choice.append(option);
}
choice.value = data.color;
fit();
home();
paintBy(data.color);
