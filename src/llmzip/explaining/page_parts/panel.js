// What there is to say of the token that is pointed at.

const percent = (bits) => {
  const share = 100 * 2 ** -bits;
  return share >= 0.1 ? `${share.toFixed(1)} %` : share >= 0.001 ? `${share.toFixed(3)} %` : "< 0.001 %";
};
const bitsText = (bits) => `${bits.toFixed(2)} bits`;
const quoted = (text) => drawn(text).replace(/\n/g, "↵").replace(/\t/g, "→").replace(/ /g, "·");

class Panel {
  constructor(explained) {
    this.explained = explained;
    this.place = document.getElementById("token");
    this.spoken = document.getElementById("spoken");
  }

  show(cell, isHeld) {
    this.cell = cell;
    const [first, end] = this.explained.tokensOf(cell);
    const parts = [];
    if (first === end) parts.push(...this.stretch(-1 - this.explained.cellToken[cell]));
    for (let token = first; token < end; token++) parts.push(...this.token(token));
    this.place.replaceChildren(...parts);
    this.place.classList.toggle("held", isHeld);
  }

  // Say it to who does not see it; not while the pointer flies by.
  speak(cell) {
    const [first, end] = this.explained.tokensOf(cell);
    const text = quoted(this.explained.textOf(cell)) || "nothing";
    this.spoken.textContent = first === end ? `${text}: not scored`
      : `${text}: ${bitsText(this.explained.bitsOfCell(cell))}, rank ${this.explained.ranks[first]}`;
  }

  stretch(number) {
    const [, start, stop] = this.explained.unscored[number];
    const [line, column] = this.explained.place(start);
    return [element("p", {}, `${count(stop - start)} bytes from line ${line}, byte ${column} on, of which the `
      + "model says nothing: copies, runs, data that is no text, or text that repeats itself.")];
  }

  token(token) {
    const own = this.explained, bits = own.bitsOf(token);
    const [line, column] = own.place(own.offsets[token]);
    const spelt = own.vocabulary[own.ids[token]];
    const rows = [
      ["probability", percent(bits)],
      ["rank", count(own.ranks[token])],
      ["place", `line ${count(line)}, byte ${count(column)} (${count(own.offsets[token])} in all)`],
      ["token", `number ${own.ids[token]}, ${hexadecimal(spelt)}`],
      ["chunk", this.chunkOf(token)],
    ];
    if (own.stretches) rows.push([`in ${own.names[1]}`, this.beside(token)]);
    return [
      element("p", { class: "spelt" }, element("b", {}, quoted(spelt)), element("span", {}, bitsText(bits))),
      this.likeliest(token),
      this.learning(token),
      element("dl", {}, ...rows.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)])),
    ];
  }

  chunkOf(token) {
    const number = this.explained.chunkNumbers[token];
    const [codec, nBytes, nPayload, nTokens] = this.explained.chunks[number];
    const what = nTokens ? `${count(nTokens)} tokens` : "without the model";
    return `${count(number + 1)}: ${codec}, ${what}, ${count(nBytes)} bytes in ${count(nPayload)}`;
  }

  beside(token) {
    const stretch = this.explained.stretches[token];
    const mine = this.explained.mine[stretch], theirs = this.explained.theirs[stretch];
    return Number.isNaN(theirs) ? "not there" : `${theirs.toFixed(2)} bits, here ${mine.toFixed(2)}`;
  }

  likeliest(token) {
    const own = this.explained, n = own.nTokens, items = [];
    for (let place = 0; place < own.likeliest.length / n; place++) {
      const id = own.likeliest[place * n + token] - 1;
      if (id < 0) continue;
      const bits = own.likeliestBits[place * n + token] / own.unit;
      const bar = drawing("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
        drawing("rect", { width: 100 * 2 ** -bits, height: 10 }));
      const isIt = id === own.ids[token];
      items.push(element("li", isIt ? { class: "own" } : {}, element("code", {}, quoted(own.vocabulary[id])),
        bar, element("span", {}, percent(bits) + (isIt ? " it came" : ""))));
    }
    return element("ol", { class: "likeliest", "aria-label": "What was likeliest" }, ...items);
  }

  learning(token) {
    const own = this.explained, unit = own.unit;
    const alone = own.modelBits[token] / unit, biased = own.biasedBits[token] / unit, bits = own.bitsOf(token);
    const step = (bits) => (Math.abs(bits) < 0.005 ? "±" : bits < 0 ? "−" : "+") + Math.abs(bits).toFixed(2);
    return element("p", { class: "learning" }, `The model alone ${bitsText(alone)}; its bias, learnt here, `
      + `${step(biased - alone)}; the history ${step(bits - biased)}.`);
  }
}

function hexadecimal(text) {
  return /^⟨.*⟩$/.test(text) ? text : [...new TextEncoder().encode(text)]
    .map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
