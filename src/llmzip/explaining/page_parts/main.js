// Puts it together: what is pointed at, what is chosen, and the keys.

function start(explained) {
  const colours = new Colours(explained);
  const view = new TextView(explained, colours);
  const panel = new Panel(explained);
  const dear = dearCells(explained);
  let chosen = -1;

  const choose = (cell) => {
    if (cell < 0 || cell >= explained.nCells) return;
    chosen = cell;
    panel.show(cell, true);
    panel.speak(cell);
    curve.choose(explained.offsetOfCell(cell));
    view.refresh();
    view.reveal(cell);
  };
  const goToCell = (next) => {
    choose(next(chosen));
    view.viewport.scrollIntoView({ block: "nearest" });
  };
  const curve = new Curve(explained, (offset) => choose(explained.cellAtOffset(offset)));
  const search = new Search(explained, (cell) => (cell === null ? view.refresh() : choose(cell)));
  view.marks = (cell, from, to) => (cell === chosen ? " chosen" : "") + search.classOf(from, to);
  view.onrows = (row, n) => {
    const last = Math.min(view.layout.nRows - 1, row + n);
    curve.mark(explained.offsetOfCell(view.layout.cellIn(row, 0)), explained.offsetOfCell(view.layout.cellIn(last, 1)));
  };
  new Histogram(explained, goToCell);
  showDearest(explained, goToCell);
  showLegend(colours);
  preparePrinting(view);
  listenToPointer(view, panel, choose, () => chosen);
  listenToKeys(view, choose, () => chosen, dear, search);
  document.getElementById("colouring")?.addEventListener("change", (event) => {
    colours.by = event.target.value;
    showLegend(colours);
    view.refresh();
  });
  view.show();
}

function listenToPointer(view, panel, choose, chosen) {
  const cellOf = (event) => event.target.closest("[data-cell]")?.dataset.cell;
  // Moves, not what comes to lie under the pointer when the text is scrolled.
  view.rows.addEventListener("pointermove", (event) => {
    const cell = cellOf(event);
    if (cell === undefined || event.pointerType === "touch" || view.isHeld) return;
    if (Number(cell) !== panel.cell) panel.show(Number(cell), Number(cell) === chosen());
  });
  view.rows.addEventListener("pointerleave", () => {
    if (chosen() >= 0 && !view.isHeld) panel.show(chosen(), true);
  });
  view.rows.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (cell !== undefined && getSelection().isCollapsed) choose(Number(cell));
  });
}

function listenToKeys(view, choose, chosen, dear, search) {
  const move = {
    ArrowLeft: (cell) => Math.max(0, cell - 1),
    ArrowRight: (cell) => cell + 1,
    ArrowUp: (cell) => beside(view.layout, cell, -1),
    ArrowDown: (cell) => beside(view.layout, cell, 1),
    PageUp: (cell) => beside(view.layout, cell, 2 - view.rowsSeen()),
    PageDown: (cell) => beside(view.layout, cell, view.rowsSeen() - 2),
    Home: (cell) => view.layout.cellIn(view.layout.rowOf(Math.max(0, cell)), 0),
    End: (cell) => view.layout.cellIn(view.layout.rowOf(Math.max(0, cell)), 1),
    n: (cell) => dear.find((one) => one > cell) ?? cell,
    p: (cell) => dear.findLast((one) => one < cell) ?? cell,
  };
  view.viewport.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || (event.ctrlKey && !["Home", "End"].includes(event.key))) return;
    const last = view.explained.nCells - 1;
    if (event.key === "Enter") view.isHeld = !view.isHeld;
    else if (event.key === "Escape") view.isHeld = false;
    else if (event.ctrlKey) choose(event.key === "Home" ? 0 : last);
    else if (event.key in move) choose(Math.min(last, chosen() < 0 ? view.layout.cellIn(view.firstRow(), 0) : move[event.key](chosen())));
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select")) return;
    event.preventDefault();
    search.input.focus();
  });
}

function beside(layout, cell, rows) {
  const row = Math.max(0, Math.min(layout.nRows - 1, layout.rowOf(Math.max(0, cell)) + rows));
  return layout.cellIn(row, layout.shareOf(Math.max(0, cell)));
}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
});

loaded().then((explained) => {
  if (explained.nCells) start(explained);
  document.body.classList.add("ready");
});
