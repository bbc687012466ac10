// The curve along the text, which one goes along, and the histogram, which one goes through.

const WINDOWS = 300;
const CURVE_WIDTH = 1000, CURVE_HEIGHT = 160;
const EDGES = [0, 0.1, 0.25, 0.5, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, Infinity];

// Bits a byte of so many stretches of about the same length, by the column of that name.
function along(explained, column, nWindows) {
  const bits = new Float64Array(nWindows);
  for (let token = 0; token < explained.nTokens; token++) {
    const at = Math.min(nWindows - 1, Math.floor((explained.offsets[token] * nWindows) / explained.nBytes));
    bits[at] += column[token] / explained.unit;
  }
  return bits.map((sum) => (sum * nWindows) / explained.nBytes);
}

function curvePath(values, most) {
  const step = CURVE_WIDTH / values.length;
  const points = Array.from(values, (value, i) =>
    `${((i + 0.5) * step).toFixed(1)} ${(CURVE_HEIGHT * (1 - value / most)).toFixed(1)}`);
  return "M" + points.join("L");
}

class Curve {
  constructor(explained, goTo) {
    this.explained = explained;
    this.place = document.getElementById("curve");
    const nWindows = Math.max(1, Math.min(WINDOWS, Math.ceil(explained.nTokens / 4)));
    const coded = along(explained, explained.bits, nWindows);
    const alone = along(explained, explained.modelBits, nWindows);
    const most = Math.max(1, ...coded, ...alone) * 1.05;
    this.seen = drawing("rect", { class: "seen", y: 0, height: CURVE_HEIGHT, x: 0, width: 1 });
    const grid = niceSteps(most).map((value) => this.gridLine(value, most));
    this.place.append(
      drawing("svg", { viewBox: `0 0 ${CURVE_WIDTH} ${CURVE_HEIGHT}`, preserveAspectRatio: "none",
        "aria-hidden": "true" }, this.seen, ...grid.map(([line]) => line),
      drawing("path", { class: "alone", d: curvePath(alone, most) }),
      drawing("path", { class: "coded", d: curvePath(coded, most) })),
      ...grid.map(([, label]) => label));
    this.place.addEventListener("pointerdown", (event) => {
      const box = this.place.getBoundingClientRect();
      goTo(Math.floor((explained.nBytes * (event.clientX - box.left)) / box.width));
    });
    this.place.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 0.01, ArrowUp: 0.01, ArrowLeft: -0.01, ArrowDown: -0.01, PageUp: 0.1,
        PageDown: -0.1, Home: -1, End: 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      const wanted = this.at + steps[event.key] * explained.nBytes;
      goTo(Math.max(0, Math.min(explained.nBytes - 1, Math.round(wanted))));
    });
    this.at = 0;
  }

  gridLine(value, most) {
    const y = CURVE_HEIGHT * (1 - value / most);
    const label = element("span", { class: "tick", "aria-hidden": "true" }, String(value));
    label.style.top = `${100 * (1 - value / most)}%`;
    return [drawing("line", { class: "grid", x1: 0, x2: CURVE_WIDTH, y1: y, y2: y }), label];
  }

  // Mark the bytes that are seen; `at` is the one that is chosen.
  mark(first, end) {
    const width = Math.max(2, (CURVE_WIDTH * (end - first)) / this.explained.nBytes);
    this.seen.setAttribute("x", (CURVE_WIDTH * first) / this.explained.nBytes);
    this.seen.setAttribute("width", width);
    this.seen.setAttribute("visibility", width < 0.97 * CURVE_WIDTH ? "visible" : "hidden");
  }

  choose(offset) {
    this.at = offset;
    const [line] = this.explained.place(offset);
    this.place.setAttribute("aria-valuenow", offset);
    this.place.setAttribute("aria-valuetext", `byte ${count(offset)}, line ${count(line)}`);
  }
}

function niceSteps(most) {
  const step = [0.25, 0.5, 1, 2, 4, 8, 16].find((size) => most / size <= 4) ?? 32;
  return Array.from({ length: Math.floor(most / step) }, (_, i) => (i + 1) * step);
}

class Histogram {
  constructor(explained, goToCell) {
    const tallies = EDGES.slice(1).map(() => []);
    for (let cell = 0; cell < explained.nCells; cell++) {
      if (explained.cellToken[cell] < 0) continue;
      const bits = explained.bitsOfCell(cell);
      tallies[EDGES.findIndex((edge) => bits < edge) - 1].push(cell);
    }
    const most = Math.max(1, ...tallies.map((cells) => cells.length));
    const place = document.getElementById("histogram");
    tallies.forEach((cells, i) => {
      const last = EDGES[i + 1] === Infinity;
      const name = last ? `${EDGES[i]} and more` : `${EDGES[i]} to ${EDGES[i + 1]}`;
      const bar = element("span", { class: "bar" });
      bar.style.height = `${(100 * cells.length) / most}%`;
      place.append(element("button", { type: "button", class: "plain",
        "aria-label": `${name} bits: ${count(cells.length)} tokens`,
        title: `${name} bits: ${count(cells.length)} tokens`,
        onclick: () => cells.length && goToCell((from) => cells.find((cell) => cell > from) ?? cells[0]) },
      element("span", { class: "room" }, bar), element("span", { class: "edge" }, last ? `${EDGES[i]}+` : String(EDGES[i]))));
    });
  }
}
