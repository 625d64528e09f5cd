// One entity: its rows as they are now, how they moved since somebody looks, and why each value is what it is.

import { at, cut, duration, make, setText, spark, time } from "./draw.js";
import { parse, text, why } from "./why.js";

const EVERY_MS = 2000;
// Five minutes of them.
const POINTS_MAX = 150;

let asked = null;
let views = [];
let timer = null;

/** The entity types and views of the job. */
export function knowViews(all) {
  if (views.map((v) => v.view).join() === all.map((v) => v.view).join()) return;
  views = all;
  const types = [...new Set(all.map((v) => v.entity))];
  at("type").replaceChildren(...types.map((type) => {
    const option = make("option", type);
    option.value = type;
    return option;
  }));
}

export function openEntity(type, id) {
  at("type").value = type;
  at("id").value = id;
  ask();
  at("entity").scrollIntoView({ block: "start" });
}

function ask() {
  const [type, id] = [at("type").value, at("id").value];
  asked = { type, id, views: views.filter((v) => v.entity === type).map((v) => ({ view: v.view, lines: new Map(), place: null })) };
  at("stop").hidden = false;
  at("rows").replaceChildren();
  look(asked);
}

function stop() {
  asked = null;
  clearTimeout(timer);
  at("stop").hidden = true;
  setText(at("asked"), "It is not looked at any more.");
}

async function look(of) {
  clearTimeout(timer);
  const found = await Promise.all(of.views.map((view) => row(of, view)));
  if (asked !== of) return;
  const there = found.filter((answer) => answer === "row").length;
  setText(at("asked"), there ? `${of.type} ${cut(of.id)}: ${there} of ${found.length} views have a row. It is looked at every ${EVERY_MS / 1000} s.` :
    found.includes("away") ? "It cannot be asked for now." : `No view has a row of ${of.type} ${cut(of.id)}: nothing of it is inside a window.`);
  const again = () => look(of);
  if (document.hidden) document.addEventListener("visibilitychange", again, { once: true });
  else timer = setTimeout(again, EVERY_MS);
}

async function row(of, view) {
  let answer, body;
  try {
    answer = await fetch(`features/${encodeURIComponent(view.view)}?id=${encodeURIComponent(of.id)}`);
    body = parse(await answer.text());
  } catch {
    return "away";
  }
  if (asked !== of) return "away";
  show(of, view, answer.ok ? body : null, answer.ok ? "" : answer.status === 404 ? "no row" : `${body.error ?? "no answer"}`);
  return answer.ok ? "row" : answer.status === 404 ? "none" : "away";
}

function show(of, view, body, reason) {
  if (!view.place) {
    view.head = make("h3", view.view);
    view.said = make("p", "", "quiet");
    view.body = make("tbody", []);
    const heads = ["feature", "value", "", "moved", "last change"].map((text, at) => {
      const head = make("th", text, at === 1 ? "n" : "");
      head.scope = "col";
      return head;
    });
    view.place = make("div", [view.head, view.said, make("div", [make("table", [make("thead", [make("tr", heads)]), view.body])], "wide")]);
    // In the order of the job, whichever answers first.
    const after = of.views.slice(of.views.indexOf(view) + 1).find((other) => other.place);
    at("rows").insertBefore(view.place, after ? after.place : null);
  }
  if (!body) {
    setText(view.said, reason);
    return;
  }
  const complete = body.complete_from ? ` Its windows are complete from ${time(body.complete_from)} on.` : "";
  setText(view.said, `as of ${time(body.as_of, Date.now())} UTC.${complete}`);
  const now = Date.now();
  for (const [name, value] of Object.entries(body.features)) line(of, view, name, value, now);
}

/** A button that opens, below its line, why the feature is what it is, and closes it again. */
function whyButton(of, view, name, known) {
  const button = make("button", "Why?", "id");
  button.type = "button";
  button.setAttribute("aria-label", `Why is ${name} what it is?`);
  button.setAttribute("aria-expanded", "false");
  let panel = null;
  button.addEventListener("click", () => {
    if (panel) {
      panel.remove();
      panel = null;
    } else {
      const cell = make("td", [why(view.view, of.id, name)]);
      cell.colSpan = 5;
      panel = make("tr", [cell]);
      known.line.after(panel);
    }
    button.setAttribute("aria-expanded", String(panel !== null));
  });
  return button;
}

function line(of, view, name, value, now) {
  let known = view.lines.get(name);
  if (!known) {
    const cells = [make("td", name), make("td", "", "n code"), make("td", ""), make("td", ""), make("td", "", "quiet name")];
    known = { cells, line: make("tr", cells), spark: spark(), points: [], shown: null, changed: null, from: null };
    cells[2].append(whyButton(of, view, name, known));
    cells[3].append(known.spark.picture);
    view.body.append(known.line);
    view.lines.set(name, known);
  }
  const shown = text(value);
  if (known.shown !== null && known.shown !== shown) {
    known.changed = now;
    known.from = known.shown;
  }
  known.shown = shown;
  known.line.className = known.changed !== null && now - known.changed < EVERY_MS ? "moved" : "";
  setText(known.cells[1], shown);
  setText(known.cells[4], known.changed === null ? "not since you look" : `was ${cut(known.from)}, ${duration(now - known.changed)} ago`);
  const number = typeof value === "number" ? value : typeof value === "boolean" ? Number(value) : value?.value;
  if (typeof number === "number") {
    known.points.push([now, number]);
    if (known.points.length > POINTS_MAX) known.points.shift();
    known.spark.update(known.points, now);
  }
}

at("ask").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
at("stop").addEventListener("click", stop);
