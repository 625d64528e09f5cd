// Elements, numbers as text, tables that change in place, lines over time.
// Everything shown is set as text, never as markup: ids and reasons come from other people's records.

const TEXT_MAX = 300;
export const at = (id) => document.getElementById(id);

/** Text from outside: cut, and what is not seen or turns the direction of writing round is shown as a sign. */
export function cut(value, most = TEXT_MAX) {
  const text = String(value);
  const short = text.length > most ? text.slice(0, most) + "…" : text;
  return short.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");
}

/** An element with texts and elements inside it. */
export function make(tag, content, kind, most = TEXT_MAX) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  for (const part of [].concat(content ?? "")) element.append(part instanceof Node ? part : cut(part, most));
  return element;
}

export function setText(element, text) {
  const shown = cut(text);
  if (element.textContent !== shown) element.textContent = shown;
}

export function count(value) {
  if (value === null || value === undefined) return "–";
  const few = Math.abs(value) < 100 && !Number.isInteger(value);
  return few ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return (unit && value < 100 ? value.toFixed(1) : Math.round(value)) + " " + units[unit];
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return ms.toFixed(1) + " ms";
  if (ms < 1000) return Math.round(ms) + " ms";
  if (ms < 120e3) return (ms / 1000).toFixed(1) + " s";
  if (ms < 7200e3) return Math.round(ms / 60e3) + " min";
  if (ms < 172800e3) return Math.round(ms / 3600e3) + " h";
  return Math.round(ms / 86400e3) + " d";
}

/** A time in UTC: the clock alone where it is of today. */
export function time(ms, now) {
  if (!ms || ms > 8.64e15) return "–";
  const text = new Date(ms).toISOString();
  const day = now && now < 8.64e15 ? new Date(now).toISOString().slice(0, 10) : "";
  return text.slice(0, 10) === day ? text.slice(11, 19) : text.slice(0, 19).replace("T", " ");
}

export const share = (value) => (value === null || value === undefined ? "–" : (value * 100).toFixed(value < 0.1 ? 1 : 0) + " %");
export const n = (text) => [text, "n"];

/** A bar for a share, with its number beside it. */
export function bar(value, what) {
  if (value === null || value === undefined) return ["–", ""];
  return { key: `${share(value)} ${what}`, update: (cell) => {
    const meter = cell.querySelector("meter");
    if (!meter) return false;
    meter.value = Math.min(value, 1);
    meter.setAttribute("aria-label", what);
    setText(cell.lastChild, share(value));
    return true;
  }, make: () => {
    const meter = make("meter", "");
    Object.assign(meter, { min: 0, max: 1, low: 0.8, high: 0.95, optimum: 0, value: Math.min(value, 1) });
    meter.setAttribute("aria-label", what);
    return [meter, make("span", share(value))];
  } };
}

/**
 * The rows of a table. A cell is text, [text, class], or elements: {key, make}, made anew when the key is
 * another one. What has not changed stays as it is, so that a focus, a selection and a reader's place in it do.
 */
export function rows(id, all, none) {
  const body = at(id);
  if (!all.length) all = [[{ text: none, span: true }]];
  while (body.rows.length > all.length) body.deleteRow(-1);
  all.forEach((cells, place) => row(body.rows[place] ?? body.insertRow(), cells));
}

function row(line, cells) {
  while (line.cells.length > cells.length) line.deleteCell(-1);
  cells.forEach((value, place) => {
    const cell = line.cells[place] ?? line.insertCell();
    if (Array.isArray(value)) fill(cell, value[0], value[1]);
    else if (value !== null && typeof value === "object" && value.make) {
      if (cell.dataset.key === value.key || (value.update && value.update(cell))) { cell.dataset.key = value.key; return; }
      cell.className = value.kind ?? "";
      cell.colSpan = 1;
      cell.replaceChildren(...value.make());
      cell.dataset.key = value.key;
    } else if (value !== null && typeof value === "object" && value.span) {
      fill(cell, value.text, "quiet");
      cell.colSpan = 20;
    } else fill(cell, value, "");
  });
}

function fill(cell, text, kind) {
  cell.colSpan = 1;
  if (cell.dataset.key) delete cell.dataset.key;
  if (cell.className !== kind) cell.className = kind;
  const shown = cut(text);
  if (cell.childElementCount || cell.textContent !== shown) cell.textContent = shown;
}

/** The path of [time, value] from `from` to `to`; where a value is missing the line is broken. */
function path(points, from, to, low, high, width, height) {
  const tall = high > low ? high - low : 1;
  let drawn = "", pen = "M";
  for (const [when, value] of points) {
    if (value === null || value === undefined) { pen = "M"; continue; }
    const x = ((when - from) / Math.max(to - from, 1)) * width;
    const y = height - 2 - ((value - low) / tall) * (height - 4);
    drawn += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return drawn;
}

const SVG = "http://www.w3.org/2000/svg";
function svg(width, height, kind) {
  const element = document.createElementNS(SVG, "svg");
  element.setAttribute("viewBox", `0 0 ${width} ${height}`);
  element.setAttribute("preserveAspectRatio", "none");
  if (kind) element.setAttribute("class", kind);
  element.append(document.createElementNS(SVG, "path"));
  return element;
}

/** A figure with a name, its value now and a line; `update(points, to)` draws it again. */
export function chart(title, text) {
  const now = make("strong", "–");
  const picture = svg(720, 48);
  picture.setAttribute("role", "img");
  const since = make("span", ""), most = make("span", "");
  const figure = make("figure", [make("figcaption", [make("span", title), now]), picture, make("small", [since, most])]);
  const update = (points, to) => {
    const known = points.map(([, value]) => value).filter((value) => value !== null && value !== undefined);
    const newest = points.length ? points[points.length - 1][1] : null;
    const high = Math.max(...known, 0);
    const from = Math.min(points.length ? points[0][0] : to, to - 60e3);
    setText(now, text(newest));
    setText(since, duration(to - from) + " ago");
    setText(most, known.length ? "at most " + text(high) : "");
    picture.setAttribute("aria-label", `${title}: now ${text(newest)}, at most ${known.length ? text(high) : "–"}`);
    picture.firstChild.setAttribute("d", path(points, from, to, 0, high, 720, 48));
  };
  return { figure, update };
}

/** A line beside a number: how it moved. */
export function spark() {
  const picture = svg(120, 20, "spark");
  picture.setAttribute("aria-hidden", "true");
  const update = (points, to) => {
    const values = points.map(([, value]) => value);
    const from = points.length ? points[0][0] : to;
    picture.firstChild.setAttribute("d", path(points, from, to, Math.min(...values), Math.max(...values), 120, 20));
  };
  return { picture, update };
}
