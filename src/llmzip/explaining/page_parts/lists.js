// The dearest tokens and lines.

const N_TOKENS = 40, N_LINES = 20;
const LINE_BYTES = 240; // a longer line counts as several
const LEAST_BYTES = 12;

function topOf(items, valueOf, n) {
  return items.map((item) => [valueOf(item), item]).sort((a, b) => b[0] - a[0]).slice(0, n);
}

function scoredCells(explained) {
  const cells = [];
  for (let cell = 0; cell < explained.nCells; cell++) if (explained.cellToken[cell] >= 0) cells.push(cell);
  return cells;
}

// Lines, or parts of long ones: first cell, end, bits, bytes.
function passagesOf(explained) {
  const passages = [];
  let first = 0, bits = 0;
  for (let cell = 0; cell < explained.nCells; cell++) {
    bits += explained.bitsOfCell(cell);
    const start = explained.offsetOfCell(first);
    const end = cell + 1 < explained.nCells ? explained.offsetOfCell(cell + 1) : explained.nBytes;
    const isUnscored = explained.cellToken[cell] < 0;
    if (explained.textOf(cell).includes("\n") || end - start > LINE_BYTES || isUnscored || cell + 1 === explained.nCells) {
      if (end - start >= LEAST_BYTES && !isUnscored) passages.push({ first, end: cell + 1, bits, nBytes: end - start });
      first = cell + 1;
      bits = 0;
    }
  }
  return passages;
}

function showDearest(explained, goToCell) {
  const cells = topOf(scoredCells(explained), (cell) => explained.bitsOfCell(cell), N_TOKENS);
  document.getElementById("dearest").replaceChildren(...cells.map(([bits, cell]) =>
    listed(quoted(explained.textOf(cell)), `${bits.toFixed(1)} bits`, explained, cell, goToCell)));
  const passages = topOf(passagesOf(explained), (one) => one.bits / one.nBytes, N_LINES);
  document.getElementById("passages").replaceChildren(...passages.map(([share, one]) => {
    const text = explained.display.slice(explained.cellStart[one.first], explained.cellStart[one.end]);
    return listed(drawn(text.trim()), `${share.toFixed(2)} bits a byte`, explained, one.first, goToCell);
  }));
}

function listed(text, what, explained, cell, goToCell) {
  const [line] = explained.place(explained.offsetOfCell(cell));
  const button = element("button", { type: "button", class: "plain", onclick: () => goToCell(() => cell) },
    element("span", { class: "what" }, text), element("span", { class: "quiet" }, `${what}, line ${count(line)}`));
  return element("li", {}, button);
}

// The cells that are dearer than nearly all others, for who goes from one to the next.
function dearCells(explained) {
  const cells = scoredCells(explained);
  const bits = cells.map((cell) => explained.bitsOfCell(cell));
  const least = [...bits].sort((a, b) => b - a)[Math.floor(cells.length / 50)] ?? 0;
  return cells.filter((_, i) => bits[i] >= least);
}
