// Finds a string in all of the text; what the browser itself finds is only what is seen.

class Search {
  constructor(explained, onfound) {
    this.explained = explained;
    this.onfound = onfound;
    this.starts = [];
    this.length = 0;
    this.current = -1;
    this.input = document.getElementById("wanted");
    this.output = document.getElementById("found");
    this.input.addEventListener("input", () => this.find());
    document.getElementById("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.go(1);
    });
    document.getElementById("before").addEventListener("click", () => this.go(-1));
  }

  // The text in small letters, one for one; letters that become several stay what they are.
  folded() {
    if (this.small === undefined) {
      const small = this.explained.display.toLowerCase();
      this.small = small.length === this.explained.display.length ? small
        : Array.from(this.explained.display, (char) =>
          char.toLowerCase().length === char.length ? char.toLowerCase() : char).join("");
    }
    return this.small;
  }

  find() {
    const wanted = this.input.value.toLowerCase(), text = this.folded();
    this.starts = [];
    this.length = wanted.length;
    this.current = -1;
    if (wanted !== "") {
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) this.starts.push(at);
    }
    this.output.textContent = wanted === "" ? "" : `${count(this.starts.length)} found`;
    if (this.starts.length) this.go(1); else this.onfound(null);
  }

  go(step) {
    if (!this.starts.length) return;
    const n = this.starts.length;
    this.current = this.current < 0 && step < 0 ? n - 1 : (this.current + step + n) % n;
    this.output.textContent = `${count(this.current + 1)} of ${count(n)}`;
    this.onfound(lastNotAbove(this.explained.cellStart, this.starts[this.current]));
  }

  // The class of a part of the text that holds something that was found.
  classOf(start, end) {
    if (!this.starts.length) return "";
    const at = lastNotAbove(this.starts, end - 1);
    if (this.starts[at] >= end || this.starts[at] + this.length <= start) return "";
    const current = this.starts[this.current];
    return current < end && current + this.length > start ? " found now" : " found";
  }
}
