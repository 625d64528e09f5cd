// The page of a running job: asks for the last hour once, and is then told each second.

import { at, bytes, chart, count, cut, duration, make, setText, time } from "./draw.js";
import { tables } from "./tables.js";
import { knowViews, openEntity } from "./entity.js";
import { catalogue } from "./catalogue.js";

// Characters of a reason: what to do may stand at its end.
const REASON_MAX = 1200;
const HOUR_MS = 3600e3;
const SAMPLES_MAX = 720;
// While the job cannot tell each second, it is asked this often.
const ASK_MS = 5000;
// What is older says nothing of now.
const SILENT_MS = 4000;

const CHARTS = [
  ["Events a second", (s) => s.events, count],
  ["Arrival to row: 99 of 100 within", (s) => s.p99, duration],
  ["Arrival to row: half within", (s) => s.p50, duration],
  ["Row to store: 99 of 100 within", (s) => s.stored, duration],
  ["Records not read yet (lag)", (s) => s.lag, count],
  ["Frontier behind the live clock", (s) => s.behind, duration],
  ["Rows a second", (s) => s.rows, count],
  ["Dead letters a second", (s) => s.dead_letters, count],
  ["Cores in use", (s) => s.busy, (v) => (v === null || v === undefined ? "–" : v.toFixed(2))],
  ["Memory of the process", (s) => s.memory, (v) => (v === null || v === undefined ? "–" : bytes(v))],
].map(([title, of, text]) => ({ of, ...chart(title, text) }));

let hour = [];
let heard = 0;
let lastSaid = null;
let listener = null;

/** What of a trouble is shown, as an element; with a way to where there is more of it. */
function trouble(t, place, all) {
  // One alone is named by the sentence above it.
  const name = all.length > 1 ? [make("b", t.what)] : [];
  const parts = [...name, make("span", t.why, "why", REASON_MAX), make("span", "", "lasts")];
  if (t.remedy) parts.push(make("span", t.remedy));
  const title = at(t.section)?.querySelector("h2")?.textContent;
  if (title) {
    const link = make("a", "See: " + title);
    link.href = "#" + t.section;
    parts.push(link);
  }
  return make("li", parts);
}

/** So that a screen reader says only what is new, and nothing moves under the pointer. */
function replaceIfChanged(id, key, elements) {
  if (at(id).dataset.key === key) return;
  at(id).dataset.key = key;
  at(id).replaceChildren(...elements());
}

/** Shows the sentence, and has it read aloud when it says something new: numbers in it change each second. */
function say(sentence) {
  setText(at("sentence"), sentence);
  const gist = sentence.replace(/\d+/g, "");
  if (at("aloud").dataset.gist === gist) return;
  at("aloud").dataset.gist = gist;
  setText(at("aloud"), sentence);
}

/** What moves, in one line. */
function facts(o) {
  const s = o.newest;
  if (!s) return "The first figures come in a second.";
  // What is computed in time is not there for who reads a store that takes nothing.
  const store = o.sinks[0];
  const away = store?.lacks ? `; the store lacks ${count(store.waiting)} rows${store.behind === null ? "" : `, the oldest for ${duration(store.behind)}`}` : null;
  const row = away ?? (s.p99 === null ? "" : s.stored === null ? `; 99 of 100 rows are there within ${duration(s.p99)} of their records` : `; 99 of 100 rows are computed within ${duration(s.p99)} of their records, and in the store ${duration(s.stored)} later`);
  const lag = s.lag === null ? "" : `; ${count(s.lag)} records are not read yet`;
  if (s.lag > 0 && o.sources.every((source) => source.records === 0)) return `Nothing is read now; ${count(s.lag)} records wait.`;
  return `Now ${count(s.events)} events a second${row}${lag}.`;
}

function condition(o) {
  const c = o.condition;
  const worst = ["stalled", "down", "degraded"].find((state) => c.troubles.some((t) => t.state === state));
  const kind = worst ?? (c.notes.length || !c.ready ? "waits" : "ok");
  at("condition").className = kind;
  say(c.sentence);
  setText(at("now"), facts(o));
  const told = c.troubles.map(({ lasts, ...rest }) => rest);
  replaceIfChanged("troubles", JSON.stringify(told), () => c.troubles.map(trouble));
  c.troubles.forEach((t, place) => {
    const lasts = at("troubles").children[place]?.querySelector(".lasts");
    if (lasts) setText(lasts, `Since ${time(o.wall - t.lasts, o.wall)} UTC, for ${duration(t.lasts)}.`);
  });
  const notes = c.ready || !c.troubles.length ? c.notes : ["the job has not caught up yet", ...c.notes];
  const said = c.troubles.length || notes.length > 1 ? notes : [];
  replaceIfChanged("notes", JSON.stringify(said), () => said.map((note) => make("li", "Besides: " + note + ".")));
  const sign = { ok: "", waits: "… ", degraded: "⚠ ", stalled: "✖ ", down: "✖ " }[kind];
  document.title = `${sign}${cut(o.job)} – Tidemark`;
}

function show(o) {
  heard = Date.now();
  lastSaid = o;
  document.body.classList.remove("stale");
  condition(o);
  setText(at("job"), o.job);
  setText(at("line"), `Tidemark ${o.version}, up for ${duration(o.uptime_ms)}${o.processes.length ? `, process ${o.processes.findIndex((p) => p.own)} of ${o.processes.length}` : ""}`);
  if (o.newest && (!hour.length || hour[hour.length - 1].at < o.newest.at)) hour.push(o.newest);
  while (hour.length > SAMPLES_MAX || (hour.length && hour[0].at < o.wall - HOUR_MS - ASK_MS)) hour.shift();
  for (const one of CHARTS) one.update(hour.map((s) => [s.at, one.of(s)]), o.wall);
  knowViews(o.views);
  tables(o, openEntity);
}

/** Nobody answers: what is on the page is what it said last, and is marked so. */
function lost(why) {
  if (Date.now() - heard < SILENT_MS) return;
  at("condition").className = "down";
  document.body.classList.toggle("stale", lastSaid !== null);
  const since = lastSaid ? ` What is below is from ${duration(Date.now() - heard)} ago.` : "";
  say("The process does not answer.");
  const tell = [make("li", [make("b", location.host), make("span", `${why}.${since} It has ended, stands still, or cannot be reached: look at its log, and whether what supervises it starts it again.`)])];
  at("troubles").dataset.key = "lost";
  at("troubles").replaceChildren(...tell);
  setText(at("now"), "");
  at("notes").replaceChildren();
  at("notes").dataset.key = "lost";
  document.title = "✖ no answer – Tidemark";
}

async function askOnce() {
  const answer = await fetch("overview");
  if (!answer.ok) throw new Error(`it answers with ${answer.status}`);
  const o = await answer.json();
  hour = o.hour ?? [];
  show(o);
}

function listen() {
  listener?.close();
  listener = new EventSource("overview/live");
  listener.onmessage = (event) => show(JSON.parse(event.data));
}

/** Every few seconds: a page that hears nothing asks, and listens again. One that nobody sees is quiet. */
async function watch() {
  if (document.hidden) {
    listener?.close();
    listener = null;
    document.addEventListener("visibilitychange", start, { once: true });
    return;
  }
  if (Date.now() - heard > SILENT_MS) {
    try {
      await Promise.race([askOnce(), new Promise((_, fail) => setTimeout(() => fail(new Error("no answer within 4 s")), 4000))]);
      if (!listener || listener.readyState === EventSource.CLOSED) listen();
    } catch (error) {
      lost(error instanceof TypeError ? "It refuses the connection" : error.message);
    }
  }
  setTimeout(watch, heard && Date.now() - heard < SILENT_MS ? ASK_MS / 5 : ASK_MS / 2);
}

async function start() {
  await askOnce().catch(() => {});
  listen();
  watch();
}

at("charts").replaceChildren(...CHARTS.map((one) => one.figure));
start();
catalogue().catch(() => {});
