"use strict";

// What has been answered so far: no DOM here, so that it can be tested alone.
class AnswerSheet {
  constructor(sheets) {
    this.sheets = sheets;
    this.place = 0;
    this.cell = 0;
    this.answers = Object.fromEntries(sheets.map(s => [s.sheet, {}]));
  }

  get sheet() { return this.sheets[this.place]; }
  get cells() { return Object.keys(this.sheet.cells); }
  get currentCell() { return this.cells[this.cell]; }

  // The first letter of a word, or the second where two words begin alike.
  keyOf(word) {
    const alike = this.sheet.answers.filter(other => other[0] === word[0]);
    return alike.length === 1 ? word[0] : word[1];
  }

  wordOf(key) {
    const words = this.sheet.answers;
    return words[Number(key) - 1] || words.find(word => this.keyOf(word) === key.toLowerCase());
  }

  answer(word) {
    this.answers[this.sheet.sheet][this.currentCell] = word;
    this.move(1);
  }

  clear() { delete this.answers[this.sheet.sheet][this.currentCell]; }

  move(by) { this.cell = Math.max(0, Math.min(this.cells.length - 1, this.cell + by)); }

  turn(by) {
    const place = Math.max(0, Math.min(this.sheets.length - 1, this.place + by));
    if (place !== this.place) this.cell = 0;
    this.place = place;
  }

  press(key, across) {
    const steps = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across};
    if (key in steps) this.move(steps[key]);
    else if (key === "PageDown" || key === "Enter") this.turn(1);
    else if (key === "PageUp") this.turn(-1);
    else if (key === "Backspace" || key === "Delete") this.clear();
    else {
      const word = key.length === 1 ? this.wordOf(key) : undefined;
      if (word === undefined) return false;
      this.answer(word);
    }
    return true;
  }

  count(sheet) { return Object.keys(this.answers[sheet.sheet]).length; }

  votes(voter, kind) {
    return this.sheets.filter(s => this.count(s)).map(s => ({
      sheet: s.sheet, voter, kind_of_voter: kind, answers: {...this.answers[s.sheet]},
    }));
  }

  // What does not belong to these sheets is left out; how much was taken is returned.
  load(document) {
    let taken = 0;
    for (const vote of Array.isArray(document) ? document : [document]) {
      const sheet = this.sheets.find(s => vote && s.sheet === vote.sheet);
      if (!sheet || typeof vote.answers !== "object" || vote.answers === null) continue;
      for (const [cell, word] of Object.entries(vote.answers)) {
        if (!(cell in sheet.cells) || !sheet.answers.includes(word)) continue;
        this.answers[sheet.sheet][cell] = word;
        taken += 1;
      }
    }
    return taken;
  }
}

function start(data) {
  const state = new AnswerSheet(data.sheets);
  const find = id => document.getElementById(id);
  const [picture, layer, voter] = [find("picture"), find("layer"), find("voter")];
  const memory = "lorarium votes " + data.sheets.map(s => s.key).join("").slice(0, 64);
  let shown = -1;

  function remember() {
    // some browsers keep nothing for a page from a file; saving always works
    try { localStorage.setItem(memory, JSON.stringify([voter.value, state.votes("", "")])); }
    catch { /* nothing is kept */ }
  }

  function recall() {
    try {
      const [name, votes] = JSON.parse(localStorage.getItem(memory) || '["", []]');
      voter.value = name;
      state.load(votes);
    } catch { /* nothing was kept */ }
  }

  function cellsAcross() {
    const tops = Object.values(state.sheet.cells).map(box => box[1]);
    return tops.filter(top => top === tops[0]).length;
  }

  function draw() {
    const sheet = state.sheet;
    if (shown !== state.place) picture.src = sheet.data;
    shown = state.place;
    find("question").textContent = sheet.question;
    find("where").textContent = `sheet ${state.place + 1} of ${state.sheets.length}: `
      + `${state.count(sheet)} of ${state.cells.length} answered`;
    const total = state.sheets.reduce((n, s) => n + state.count(s), 0);
    find("total").textContent = `${total} answers in all`;
    find("words").replaceChildren(...sheet.answers.map((word, i) => {
      const button = document.createElement("button");
      button.textContent = `${word} (${state.keyOf(word)} or ${i + 1})`;
      button.onclick = () => { state.answer(word); remember(); draw(); };
      return button;
    }));
    layer.replaceChildren(...state.cells.map((cell, i) => {
      const box = document.createElement("div");
      const [left, top, width, height] = sheet.cells[cell];
      const word = state.answers[sheet.sheet][cell];
      box.className = i === state.cell ? "cell here" : word ? "cell done" : "cell";
      Object.assign(box.style, {left: left + "px", top: top + "px",
        width: width + "px", height: height + "px"});
      box.textContent = word || "";
      box.onclick = () => { state.cell = i; draw(); };
      return box;
    }));
    layer.children[state.cell].scrollIntoView({block: "nearest"});
  }

  document.addEventListener("keydown", event => {
    if (event.target.tagName === "INPUT" || event.target.tagName === "SELECT") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!state.press(event.key, cellsAcross())) return;
    event.preventDefault();
    remember();
    draw();
  });
  voter.oninput = remember;
  find("back").onclick = () => { state.turn(-1); draw(); };
  find("next").onclick = () => { state.turn(1); draw(); };
  find("save").onclick = () => {
    const name = voter.value.trim();
    if (!name) { find("message").textContent = "Write your name first."; voter.focus(); return; }
    const text = JSON.stringify(state.votes(name, find("kind").value), null, 1) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
    link.download = `votes-${name.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
    find("message").textContent = `saved as ${link.download}`;
  };
  find("load").onchange = async event => {
    let taken = 0;
    for (const file of event.target.files) {
      try { taken += state.load(JSON.parse(await file.text())); }
      catch { find("message").textContent = `${file.name} is not JSON`; return; }
    }
    event.target.value = "";
    find("message").textContent = `${taken} answers loaded`;
    remember();
    draw();
  };
  recall();
  draw();
}

if (typeof module !== "undefined") module.exports = {AnswerSheet};
else start(JSON.parse(document.getElementById("data").textContent));
