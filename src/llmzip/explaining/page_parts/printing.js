// On paper there is no scrolling: the rows are there, up to so many.

const MOST_PRINTED = 3000;

function preparePrinting(view) {
  const place = document.getElementById("printed");
  addEventListener("beforeprint", () => {
    const n = Math.min(MOST_PRINTED, view.layout.nRows);
    const rows = Array.from({ length: n }, (_, number) => view.makeRow(number));
    place.replaceChildren(...rows);
    const left = view.layout.nRows - n;
    if (left > 0) place.append(element("p", {}, `${count(left)} more lines are not printed.`));
    place.hidden = false;
  });
  addEventListener("afterprint", () => {
    place.replaceChildren();
    place.hidden = true;
  });
}
