// A chart of rates: a line over ten minutes that ends now, with gaps where nothing was measured.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

// Draws `values` (numbers or null, the newest last) into `place`; `capacity` is how many fill the width, `label` says
// what they are to those who can't see it.
function chart(place, values, capacity, label) {
  const known = values.filter((value) => value !== null);
  const most = Math.max(...known, 0);
  const summary = known.length === 0
    ? `${label}: nothing measured yet`
    : `${label}, last ten minutes: now ${short(known[known.length - 1])}, highest ${short(most)}`;
  let svg = place.firstElementChild;
  if (!svg) {
    svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("role", "img");
    svg.setAttribute("viewBox", "0 0 100 20");
    svg.setAttribute("preserveAspectRatio", "none");
    for (const [name, tag] of [["title", "title"], ["base", "line"], ["area", "path"], ["line", "path"]]) {
      const element = document.createElementNS(SVG, tag);
      element.setAttribute("class", name);
      svg.append(element);
    }
    const base = svg.children[1];
    for (const [key, value] of [["x1", 0], ["x2", 100], ["y1", 20], ["y2", 20]]) base.setAttribute(key, value);
    place.append(svg);
  }
  const [title, , area, line] = svg.children;
  title.textContent = summary;
  svg.setAttribute("aria-label", summary);
  const { strokes, areas } = paths(values, capacity, most);
  line.setAttribute("d", strokes);
  area.setAttribute("d", areas);
}

// The paths of each run of measured values.
function paths(values, capacity, most) {
  const step = 100 / Math.max(capacity - 1, 1);
  const offset = 100 - (values.length - 1) * step;
  const height = (value) => (20 - (most > 0 ? value / most : 0) * 18).toFixed(1);
  let strokes = "", areas = "", run = [];
  const end = () => {
    if (run.length > 0) {
      const points = run.map(([x, y]) => `${x} ${y}`);
      // A single sample is a short dash.
      const last = run.length === 1 ? ` h${step.toFixed(1)}` : "";
      strokes += `M${points.join("L")}${last}`;
      areas += `M${run[0][0]} 20L${points.join("L")}L${run[run.length - 1][0]} 20Z`;
    }
    run = [];
  };
  values.forEach((value, index) => {
    if (value === null) return end();
    run.push([(offset + index * step).toFixed(1), height(value)]);
  });
  end();
  return { strokes, areas };
}

// 1234567 as 1.23M: three digits, and the unit of a thousand.
function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const units = ["", "k", "M", "G", "T", "P"];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) { value /= 1000; unit += 1; }
  const digits = value >= 99.95 || Number.isInteger(value) ? 0 : value >= 9.995 ? 1 : unit > 0 ? 2 : 1;
  return value.toFixed(digits) + units[unit];
}
