"use strict";
// What the page carries: columns of all tokens, deflated, and what is derived from them.

const TYPES = { u2: Uint16Array, u4: Uint32Array, f4: Float32Array };

async function inflated(element) {
  const text = atob(element.textContent);
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// A column holds all first bytes, then all second bytes, and so on.
function asNumbers(bytes, Type) {
  const width = Type.BYTES_PER_ELEMENT, n = bytes.length / width;
  const whole = new Uint8Array(bytes.length);
  for (let b = 0; b < width; b++) for (let i = 0; i < n; i++) whole[i * width + b] = bytes[b * n + i];
  return new Type(whole.buffer);
}

function runningSums(numbers, first) {
  const sums = new Float64Array(numbers.length + 1);
  sums[0] = first;
  for (let i = 0; i < numbers.length; i++) sums[i + 1] = sums[i] + numbers[i];
  return sums;
}

async function loaded() {
  const head = JSON.parse(new TextDecoder().decode(await inflated(document.getElementById("head"))));
  const columns = {};
  for (const element of document.querySelectorAll("script[data-column]")) {
    columns[element.dataset.column] = asNumbers(await inflated(element), TYPES[element.dataset.type]);
    element.remove();
  }
  return new Explained(head, columns);
}

// The text in cells: the tokens that spell whole characters together, and stretches without tokens.
class Explained {
  constructor(head, columns) {
    Object.assign(this, head, columns);
    this.nTokens = columns.ids.length;
    const offsets = runningSums(columns.steps, 0);
    this.offsets = offsets.subarray(1);
    this.lineAt = runningSums(head.lineStarts, 0);
    const shown = runningSums(columns.sizes, 0), pieces = [];
    this.cellToken = [];   // its first token; of a stretch without tokens -1 - its number
    this.cellStart = [];   // where it begins in `display`
    this.cellOf = new Uint32Array(this.nTokens);
    let length = 0, next = 0;
    const add = (token, text) => {
      this.cellToken.push(token);
      this.cellStart.push(length);
      pieces.push(text);
      length += text.length;
    };
    for (let token = 0; token <= this.nTokens; token++) {
      for (; next < head.unscored.length && head.unscored[next][0] === token; next++) {
        const [, start, stop, text] = head.unscored[next];
        add(-1 - next, text === null ? `⟨${count(stop - start)} bytes that are no text⟩` : text);
      }
      if (token === this.nTokens) break;
      const text = head.text.slice(shown[token], shown[token + 1]);
      const last = this.cellToken.length - 1;
      if (text !== "" || last < 0 || this.cellToken[last] < 0) add(token, text);
      this.cellOf[token] = this.cellToken.length - 1;
    }
    this.cellStart.push(length);
    this.nCells = this.cellToken.length;
    this.display = pieces.join("");
  }

  bitsOf(token) { return this.bits[token] / this.unit; }

  // The tokens of a cell, first and end; none of a stretch without tokens.
  tokensOf(cell) {
    const first = this.cellToken[cell];
    if (first < 0) return [0, 0];
    let end = first + 1;
    while (end < this.nTokens && this.cellOf[end] === cell) end++;
    return [first, end];
  }

  bitsOfCell(cell) {
    const [first, end] = this.tokensOf(cell);
    let bits = 0;
    for (let token = first; token < end; token++) bits += this.bitsOf(token);
    return bits;
  }

  // By how much the first is dearer than the second where they align, for each token; NaN elsewhere.
  differenceOf(cell) {
    const [first, end] = this.tokensOf(cell);
    if (first === end || !this.stretches) return NaN;
    const stretch = this.stretches[first];
    return this.mine[stretch] - this.theirs[stretch];
  }

  offsetOfCell(cell) {
    const token = this.cellToken[cell];
    return token < 0 ? this.unscored[-1 - token][1] : this.offsets[token];
  }

  // Line and byte in the line, both from 1, of a byte of the text.
  place(offset) {
    const line = lastNotAbove(this.lineAt, offset);
    return [line + 1, offset - this.lineAt[line] + 1];
  }

  cellAtOffset(offset) {
    let low = 0, high = this.nCells - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.offsetOfCell(middle) <= offset) low = middle; else high = middle - 1;
    }
    return low;
  }

  textOf(cell) { return this.display.slice(this.cellStart[cell], this.cellStart[cell + 1]); }
}

function lastNotAbove(sorted, wanted) {
  let low = 0, high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sorted[middle] <= wanted) low = middle; else high = middle - 1;
  }
  return low;
}

const count = (number) => number.toLocaleString("en");
