"use strict";
// What the report adds where scripts run: tables that sort, values on heat maps, a slider over α.
// Everything that it shows is on the page, or in the figures, without it.

const MISSING = /^(–|not run)?$/;

/** What a cell is sorted by: a number if it begins with one, else its text. */
function sortKey(cell) {
  const text = (cell.dataset.value ?? cell.textContent).trim();
  if (MISSING.test(text)) return null;
  const number = parseFloat(text.replace("−", "-"));
  return Number.isNaN(number) ? text : number;
}

/** Order of two keys; what is missing comes last either way. */
function compare(first, second, direction) {
  if (first === null || second === null) return (first === null) - (second === null);
  const numbers = typeof first === "number" && typeof second === "number";
  return direction * (numbers ? first - second : String(first).localeCompare(String(second)));
}

/** Sort the rows between two headings by a column, and say so in its header. */
function sortRows(table, header, column) {
  const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of header.parentElement.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  let block = [];
  const blocks = [block];
  for (const row of body.rows) {
    if (row.classList.contains("heading")) blocks.push((block = []));
    else block.push([sortKey(row.cells[column]), row]);
  }
  const headings = [...body.querySelectorAll(".heading")];
  const sorted = blocks.map((rows) => rows.sort((a, b) => compare(a[0], b[0], direction)));
  sorted.forEach((rows, i) => {
    if (i > 0) body.append(headings[i - 1]);
    body.append(...rows.map(([, row]) => row));
  });
}

function makeSortable(table) {
  const headers = table.tHead.rows[table.tHead.rows.length - 1].cells;
  [...headers].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort";
    button.append(...header.childNodes);
    button.addEventListener("click", (event) => {
      if (!event.target.closest("a")) sortRows(table, header, column);
    });
    header.append(button);
  });
}

/** The grid point under the pointer: [column of α₁, row of α₂, from below]. */
function gridPoint(image, event, columns, rows) {
  const box = image.getBoundingClientRect();
  const x = Math.floor((columns * (event.clientX - box.left)) / box.width);
  const y = Math.floor((rows * (box.bottom - event.clientY)) / box.height);
  return [Math.min(Math.max(x, 0), columns - 1), Math.min(Math.max(y, 0), rows - 1)];
}

function format(number, digits) {
  return number.toFixed(digits).replace("-", "−");
}

/** Show α₁, α₂ and ξ of every mode at the pointer, over each map of a pair of tasks. */
function explain(figure, entry, tip) {
  const [alpha1, alpha2] = entry.alpha;
  for (const id of entry.maps) {
    const image = document.getElementById(`${figure.id}-${id}`).querySelector("image");
    image.addEventListener("pointermove", (event) => {
      const [x, y] = gridPoint(image, event, alpha1.length, alpha2.length);
      const values = entry.modes.map((mode, i) => `ξ ${mode} ${format(entry.error[i][y][x], 3)}`);
      const place = entry.tasks.map((task, i) => `α${"₁₂"[i]} ${task} ${format([alpha1[x], alpha2[y]][i], 2)}`);
      tip.replaceChildren(
        ...[entry.model, ...place, ...values].map((line) => {
          const element = document.createElement("div");
          element.textContent = line;
          return element;
        }),
      );
      tip.hidden = false;
      const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6);
      const top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 6);
      tip.style.translate = `${left}px ${top}px`;
    });
    image.addEventListener("pointerleave", () => (tip.hidden = true));
  }
}

/** The points of a curve as its path draws them, [x, y] each. */
function pointsOf(path) {
  return [...path.getAttribute("d").matchAll(/[ML]\s*(\S+)\s+(\S+)/g)].map((found) => [found[1], found[2]]);
}

/** A slider that moves a marker along every curve, and shows the numbers at its α. */
function addSlider(figure, details) {
  const tables = [...details.querySelectorAll("table")];
  const rows = tables.map((table) => [...table.tBodies[0].rows]);
  const alphas = rows[0].map((row) => parseFloat(row.cells[0].textContent));
  const curves = [...figure.querySelectorAll("[id^=alpha_curves-curve-] path")].map((path) => {
    const marker = document.createElementNS(path.namespaceURI, "circle");
    marker.setAttribute("r", 5);
    marker.setAttribute("class", "marker");
    marker.style.fill = path.style.stroke;
    path.parentElement.append(marker);
    return [pointsOf(path), marker];
  });
  const shown = tables.map((table) => {
    const copy = table.cloneNode(true);
    copy.removeAttribute("id");
    return copy;
  });
  const label = document.createElement("label");
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: alphas.length - 1, step: 1 });
  const output = document.createElement("output");
  label.append("α of the large dots ", slider, output);
  const box = document.createElement("div");
  box.className = "slider";
  box.append(label);
  shown.forEach((copy, i) => {
    const caption = document.createElement("p");
    caption.textContent = tables[i].closest("figure").querySelector("figcaption").firstChild.textContent;
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.append(copy);
    box.append(caption, scroll);
  });
  const show = () => {
    const at = Number(slider.value);
    output.textContent = ` ${alphas[at]}`;
    slider.setAttribute("aria-valuetext", `α = ${alphas[at]}`);
    for (const [points, marker] of curves) {
      // A curve of which some points do not exist has no marker.
      marker.toggleAttribute("hidden", points.length !== alphas.length);
      const [x, y] = points[at] ?? [0, 0];
      marker.setAttribute("cx", x);
      marker.setAttribute("cy", y);
    }
    shown.forEach((copy, i) => copy.tBodies[0].replaceChildren(rows[i][at].cloneNode(true)));
  };
  slider.addEventListener("input", show);
  const start = parseFloat(details.dataset.start);
  slider.value = alphas.findIndex((alpha) => alpha >= start - 1e-9);
  show();
  details.before(box);
}

const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
for (const script of document.querySelectorAll('script[type="application/json"]')) {
  const figure = script.closest("figure");
  for (const entry of JSON.parse(script.textContent)) explain(figure, entry, tip);
}
const sweeps = document.querySelector(".sweeps");
if (sweeps) addSlider(sweeps.closest("figure"), sweeps);
// After the slider, which copies a table as it was written.
for (const table of document.querySelectorAll("table:not(.slider table)")) makeSortable(table);
