// How dear a cell is, as a step of the palette, by the formulas of scale.py.

const N_LEVELS = 9, N_SIDES = 4;

class Colours {
  constructor(explained) {
    this.explained = explained;
    this.by = "bits";
  }

  stepOfBits(bits) {
    const share = Math.log2(1 + bits) / Math.log2(1 + this.explained.ceiling);
    return Math.min(N_LEVELS - 1, Math.floor(N_LEVELS * share));
  }

  classOf(cell) {
    if (this.explained.cellToken[cell] < 0) return "unscored";
    if (this.by === "bits") return `s${this.stepOfBits(this.explained.bitsOfCell(cell))}`;
    const more = this.explained.differenceOf(cell);
    if (Number.isNaN(more)) return "apart";
    const share = Math.log2(1 + Math.abs(more)) / Math.log2(1 + this.explained.differenceCeiling);
    const step = Math.round(N_SIDES * Math.min(1, share));
    return step === 0 ? "d0" : more > 0 ? `more${step}` : `less${step}`;
  }

  // The classes of the legend from left to right, and what stands at its ends.
  legend() {
    if (this.by === "bits") {
      const classes = Array.from({ length: N_LEVELS }, (_, step) => `s${step}`);
      return ["0", classes, `${this.explained.ceiling.toFixed(0)} bits`];
    }
    const [first, second] = this.explained.names;
    const classes = ["less4", "less3", "less2", "less1", "d0", "more1", "more2", "more3", "more4"];
    return [`dearer in ${second}`, classes, `in ${first}`];
  }
}

function showLegend(colours) {
  const [low, classes, high] = colours.legend();
  const swatches = classes.map((name) => element("i", { class: name }));
  document.getElementById("legend").replaceChildren(low, ...swatches, high);
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

function drawing(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
