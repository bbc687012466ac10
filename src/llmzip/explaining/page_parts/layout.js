// Lays the text out in rows of so many columns, so that it is known how many there are.

const TAB = 8;
const WIDE = [[0x1100, 0x115f], [0x2e80, 0xa4cf], [0xac00, 0xd7a3], [0xf900, 0xfaff], [0xfe30, 0xfe6f],
  [0xff00, 0xff60], [0xffe0, 0xffe6], [0x1f000, 0x1faff], [0x20000, 0x3fffd]];
const NO_WIDTH = /\p{M}|\u200b|\u200c|\u200d/u;
// Controls, and what turns the direction of writing: they are drawn, not obeyed.
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function drawn(text) {
  return text.replace(OBEYED, (char) => {
    const code = char.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "␡" : "⍰";
  });
}

function widthOf(code, column) {
  if (code < 0x300) return code === 9 ? TAB - (column % TAB) : 1;
  if (WIDE.some(([first, last]) => first <= code && code <= last)) return 2;
  return NO_WIDTH.test(String.fromCodePoint(code)) ? 0 : 1;
}

class Layout {
  // Segments are parts of cells, in order: row r has those from rowSegment[r] on.
  constructor(explained, columns) {
    this.segmentStart = [];
    this.segmentCell = [];
    this.rowSegment = [0];
    this.cellSegment = new Uint32Array(explained.nCells + 1);
    let column = 0;
    const { display, cellStart, nCells } = explained;
    for (let cell = 0; cell < nCells; cell++) {
      const end = cellStart[cell + 1];
      let at = cellStart[cell];
      this.cellSegment[cell] = this.segmentStart.length;
      if (column > 0 && this.wantsRow(display, at, end, column, columns)) column = this.breakRow();
      this.begin(cell, at);
      while (at < end) {
        const code = display.codePointAt(at);
        if (code === 10) {
          at++;
          column = this.breakRow();
          if (at < end) this.begin(cell, at);
          continue;
        }
        const width = widthOf(code, column);
        if (column > 0 && column + width > columns) {
          column = this.breakRow();
          this.begin(cell, at);
        }
        column += widthOf(code, column);
        at += code > 0xffff ? 2 : 1;
      }
    }
    this.cellSegment[nCells] = this.segmentStart.length;
    this.segmentStart.push(display.length);
    if (this.rowSegment.at(-1) === this.segmentCell.length) this.rowSegment.pop();
    this.nRows = this.rowSegment.length;
    this.rowSegment.push(this.segmentCell.length);
  }

  // Whether a cell that fits into a row of its own would be cut at the end of this one.
  wantsRow(display, at, end, column, columns) {
    let width = 0;
    for (let i = at; i < end && width <= columns; i++) {
      const code = display.codePointAt(i);
      if (code === 10) break;
      if (code > 0xffff) i++;
      width += widthOf(code, 0);
    }
    return width <= columns && column + width > columns;
  }

  begin(cell, at) {
    this.segmentCell.push(cell);
    this.segmentStart.push(at);
  }

  breakRow() {
    this.rowSegment.push(this.segmentCell.length);
    return 0;
  }

  rowOf(cell) { return lastNotAbove(this.rowSegment, this.cellSegment[cell]); }

  // The cell in `row` that stands nearest to the `share` of it.
  cellIn(row, share) {
    const first = this.rowSegment[row], last = this.rowSegment[row + 1] - 1;
    return this.segmentCell[Math.round(first + share * (last - first))];
  }

  shareOf(cell) {
    const row = this.rowOf(cell), first = this.rowSegment[row], last = this.rowSegment[row + 1] - 1;
    return last > first ? (this.cellSegment[cell] - first) / (last - first) : 0;
  }
}
