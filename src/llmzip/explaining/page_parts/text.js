// The rows that are seen: only they, and a few above and below, are in the document.

const MOST_PIXELS = 8e6; // what is higher, browsers do not scroll; it is scaled
const SPARE_ROWS = 6;
const WHITE = /( +|\t|\n)/;

class TextView {
  constructor(explained, colours) {
    this.explained = explained;
    this.colours = colours;
    this.viewport = document.getElementById("viewport");
    this.sizer = document.getElementById("sizer");
    this.rows = document.getElementById("rows");
    this.made = new Map();
    this.marks = () => "";
    this.onrows = () => {};
    this.viewport.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.resize()).observe(this.viewport);
    this.resize();
  }

  resize() {
    if (!this.viewport.clientWidth) return; // on paper it is not there
    const probe = element("span", { class: "row" }, "0".repeat(100));
    this.rows.append(probe);
    const { width, height } = probe.getBoundingClientRect();
    probe.remove();
    const inside = this.viewport.clientWidth - 2 * parseFloat(getComputedStyle(this.rows).paddingLeft);
    const columns = Math.max(10, Math.floor((100 * inside) / width));
    this.rowHeight = height;
    if (columns !== this.columns) {
      const top = this.layout ? this.layout.cellIn(this.firstRow(), 0) : 0;
      this.columns = columns;
      this.layout = new Layout(this.explained, columns);
      this.all = this.layout.nRows * this.rowHeight;
      this.height = Math.min(this.all, MOST_PIXELS);
      this.sizer.style.height = `${this.height}px`;
      this.viewport.style.maxHeight = `${this.height + 2 * this.rowHeight}px`;
      if (top) this.scrollToRow(this.layout.rowOf(top));
    }
    this.refresh();
  }

  // How far one pixel of scrolling goes in pixels of text.
  scale() {
    const seen = this.viewport.clientHeight;
    return this.all > this.height ? (this.all - seen) / (this.height - seen) : 1;
  }

  firstRow() {
    const row = Math.floor((this.viewport.scrollTop * this.scale()) / this.rowHeight);
    return Math.max(0, Math.min(this.layout.nRows - 1, row));
  }

  rowsSeen() { return Math.ceil(this.viewport.clientHeight / this.rowHeight); }

  scrollToRow(row) {
    const middle = row * this.rowHeight - this.viewport.clientHeight / 3;
    this.viewport.scrollTop = Math.max(0, middle) / this.scale();
    this.show();
  }

  // Bring a cell into view, in the upper third unless it is seen already.
  reveal(cell) {
    const row = this.layout.rowOf(cell), first = this.firstRow();
    if (row <= first || row >= first + this.rowsSeen() - 2) this.scrollToRow(row);
    else this.show();
  }

  later() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.show();
    });
  }

  refresh() {
    for (const row of this.made.values()) row.remove();
    this.made.clear();
    this.show();
  }

  show() {
    const first = Math.max(0, this.firstRow() - SPARE_ROWS);
    const end = Math.min(this.layout.nRows, this.firstRow() + this.rowsSeen() + SPARE_ROWS);
    for (const [number, row] of this.made) {
      if (number < first || number >= end) {
        row.remove();
        this.made.delete(number);
      }
    }
    const origin = this.viewport.scrollTop * (1 - this.scale());
    for (let number = first; number < end; number++) {
      let row = this.made.get(number);
      if (!row) {
        row = this.makeRow(number);
        this.made.set(number, row);
        const after = this.made.get(number + 1);
        if (after) this.rows.insertBefore(row, after); else this.rows.append(row);
      }
      row.style.transform = `translateY(${origin + number * this.rowHeight}px)`;
    }
    this.onrows(this.firstRow(), this.rowsSeen());
  }

  makeRow(number) {
    const { rowSegment, segmentStart, segmentCell } = this.layout;
    const row = element("div", { class: "row" });
    for (let i = rowSegment[number]; i < rowSegment[number + 1]; i++) {
      const cell = segmentCell[i], start = segmentStart[i], end = segmentStart[i + 1];
      const span = element("span", { class: this.colours.classOf(cell) + this.marks(cell, start, end) });
      span.dataset.cell = cell;
      appendText(span, this.explained.display.slice(start, end));
      row.append(span);
    }
    return row;
  }
}

// White space stays what it is, so that it is copied as such; its signs are drawn by the style.
function appendText(span, text) {
  for (const part of text.split(WHITE)) {
    if (part === "") continue;
    if (part === "\n") span.append(element("i", { class: "feed" }));
    else if (part === "\t") span.append(element("i", { class: "tab" }, part));
    else if (part[0] === " ") span.append(element("i", { class: "space" }, part));
    else span.append(drawn(part));
  }
  if (text === "") span.append("\u2060");
}
