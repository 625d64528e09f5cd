// Why a feature is what it is: the events inside each of its windows, and when each leaves.

import { chart, count, cut, duration, make, setText } from "./draw.js";

// The next changes that are told in a sentence.
const CHANGES_MAX = 5;
// One feature is explained at a time: who comes meanwhile asks again, so often and after so long.
const TRIES = 5;
const AGAIN_MS = 1000;

/** JSON whose numbers keep their digits. */
export function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && context?.source && String(value) !== context.source ? { digits: context.source, value } : value);
}

/** A value as text. */
export function text(value) {
  if (value === null) return "null";
  if (typeof value === "object") return "digits" in value ? value.digits : JSON.stringify(value);
  return typeof value === "number" && Number.isInteger(value) ? count(value) : String(value);
}

const figure = (value) => (typeof value === "number" ? value : typeof value === "boolean" ? Number(value) : value?.value ?? null);

/** A time in UTC to the ms; without its day where that is the day of `beside`. */
function clock(ms, beside) {
  if (typeof ms !== "number" || ms > 8.64e15) return "never";
  const [day, rest] = new Date(ms).toISOString().slice(0, 23).split("T");
  return beside && new Date(beside).toISOString().startsWith(day) ? rest : `${day} ${rest}`;
}

const events = (many) => `${count(many)} ${many === 1 ? "event" : "events"}`;

function over(input) {
  const of = input.of ? ` of ${input.of}` : "";
  if (input.window_ms) return `${input.what}${of} over ${duration(input.window_ms)}${input.delay_ms ? `, delayed by ${duration(input.delay_ms)}` : ""}`;
  return `${input.what}${of}${input.horizon_ms ? `, seen for ${duration(input.horizon_ms)}` : ""}`;
}

function remark(event, at) {
  const parts = [];
  if (event.role) parts.push(event.role);
  if (event.compared) parts.push(`after ${text(event.compared.value)} at ${clock(event.compared.at, at)}`);
  if (event.at > at) parts.push("ahead of the live clock");
  return parts.join("; ");
}

function table(input, at) {
  const ofValue = input.events.some((event) => event.value !== null);
  const remarks = input.events.some((event) => remark(event, at));
  const heads = [["happened"], ...(ofValue ? [["its " + (input.of ?? "value"), "n"]] : []), ["leaves"], ["then it is", "n"], ...(remarks ? [[""]] : [])];
  const head = make("tr", heads.map(([name, kind]) => {
    const cell = make("th", name, kind);
    cell.scope = "col";
    return cell;
  }));
  const lines = input.events.map((event) => make("tr", [
    make("td", clock(event.at, at), "name"),
    ...(ofValue ? [make("td", text(event.value), "n code")] : []),
    make("td", event.leaves === null ? "–" : `${clock(event.leaves, at)}, in ${duration(event.leaves - at)}`, "name"),
    make("td", event.then === null ? "–" : text(event.then), "n code"),
    ...(remarks ? [make("td", remark(event, at), "quiet")] : []),
  ]));
  const wide = make("div", [make("table", [make("thead", [head]), make("tbody", lines)])], "wide");
  wide.tabIndex = 0;
  wide.setAttribute("role", "region");
  wide.setAttribute("aria-label", over(input));
  return wide;
}

function input(of, several, at) {
  const value = several ? ` = ${text(of.value)}` : "";
  const parts = [make("h4", `${over(of)}${value}: ${events(of.count)}`)];
  if (of.values.length) {
    const more = of.more_values ? ` and ${count(of.more_values)} more` : "";
    parts.push(make("p", of.values.map((one) => `${text(one.value)} × ${count(one.events)}`).join(", ") + more, "code"));
  }
  if (of.events.length) parts.push(table(of, at));
  const besides = [];
  if (of.more) besides.push(`${events(of.more)} more, not listed: those that leave first are.`);
  if (of.enter_later) besides.push(`${events(of.enter_later)} that ${of.enter_later === 1 ? "has" : "have"} happened ${of.enter_later === 1 ? "enters" : "enter"} later.`);
  if (besides.length) parts.push(make("p", besides.join(" "), "quiet"));
  return make("div", parts);
}

/** What makes the explanation less than whole. */
function doubts(found) {
  const said = [];
  if (!found.agrees && found.lacks) said.push(`The row has ${text(found.row.value)}: it rests on events up to ${clock(found.let_go)} too, which the job does not hold any more. The command below reads them again from the log.`);
  else if (found.lacks) said.push(`Events up to ${clock(found.let_go)} are not held any more: earlier ones that it is over are not listed. The command below reads them again from the log.`);
  else if (!found.agrees) said.push(`The row of ${clock(found.row.as_of)} has ${text(found.row.value)}: a change is on its way to it. Ask again.`);
  if (found.ahead) said.push(`${events(found.ahead)} ${found.ahead === 1 ? "lies" : "lie"} ahead of the live clock and ${found.ahead === 1 ? "counts" : "count"}.`);
  return said;
}

/** The whole of an answer, as elements. */
function explained(found, id) {
  const [feature, at] = [found.features[0], found.at];
  const known = found.row && found.lacks ? found.row.value : feature.value;
  const parts = [make("p", [make("b", `${feature.name} = ${text(known)}`), ` at ${clock(at)} UTC, the job's live clock. `, make("span", feature.definition, "code")])];
  for (const doubt of doubts(found)) parts.push(make("p", doubt, "degraded"));
  const points = [...found.moved, { at, value: feature.value }].map((point) => [point.at, figure(point.value)]);
  if (points.some(([, value]) => value !== null) && typeof figure(feature.value) === "number") {
    const line = chart("The last ten minutes of event time", (value) => (value === null ? "–" : String(Number(value.toFixed(4)))));
    line.update(points, at);
    parts.push(line.figure);
  }
  for (const one of feature.inputs) parts.push(input(one, feature.inputs.length > 1, at));
  const next = feature.changes.slice(0, CHANGES_MAX).map((change) => `${text(change.value)} from ${clock(change.at, at)}`).join(", ");
  const more = feature.more_changes || feature.changes.length > CHANGES_MAX ? ", and so on" : "";
  if (next) parts.push(make("p", `Then, if nothing comes: ${next}${more}.`));
  parts.push(make("p", command(found, feature, id), "quiet"));
  return parts;
}

/** The command that says where each event is; without the id where a shell would read it otherwise. */
function command(found, feature, id) {
  const name = /^[\w.:@+-]+$/.test(id) ? id : "ID";
  const moment = new Date(found.at).toISOString();
  const [what, of] = [`JOB ${found.view} ${name}`, `--features ${feature.name} --at ${moment}`];
  // What begins as a flag is told from one by what stands before it.
  const words = name.startsWith("-") ? `${of} -- ${what}` : `${what} ${of}`;
  return ["Where each event is, in the log: ", make("span", `tidemark explain ${words}`, "code")];
}

/** A panel that explains `feature` of `id` in `view`. It asks when it is made, and when its button is pressed. */
export function why(view, id, feature) {
  const said = make("p", "Asking …", "quiet");
  said.setAttribute("aria-live", "polite");
  const body = make("div", []);
  const again = make("button", "Ask again");
  again.type = "button";
  async function ask() {
    again.disabled = true;
    setText(said, "Asking …");
    const path = `explain/${encodeURIComponent(view)}?id=${encodeURIComponent(id)}&feature=${encodeURIComponent(feature)}`;
    try {
      let answer = await fetch(path);
      for (let tries = 1; answer.status === 503 && tries < TRIES; tries += 1) {
        await new Promise((then) => setTimeout(then, AGAIN_MS));
        answer = await fetch(path);
      }
      const found = parse(await answer.text());
      if (answer.ok) {
        body.replaceChildren(...explained(found, id));
        setText(said, `${events(found.events)} of it ${found.events === 1 ? "is" : "are"} held.`);
      } else setText(said, cut(`${found.error ?? "no answer"}${found.hint ? ": " + found.hint : ""}`, 600));
    } catch {
      setText(said, "It does not answer.");
    }
    again.disabled = false;
  }
  again.addEventListener("click", ask);
  ask();
  return make("div", [body, said, again], "because");
}
