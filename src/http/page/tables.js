// What of an overview stands in tables.

import { at, bar, bytes, count, cut, duration, make, n, rows, setText, share, time } from "./draw.js";

// Of many partitions a page is told of some each second. All are asked for while they are wanted.
const ASK_ALL_MS = 3000;
// As many characters of an id are told.
const ID_CHARS_MAX = 200;
// What a worker waits for instead of reading on.
const WAITS = { dead_letters: "room for dead letters", in_flight: "other workers", state: "room for state", frontier: "slower partitions" };
let allPartitions = false;
let newest = null;
let timer = null;

async function askAll() {
  clearTimeout(timer);
  if (!allPartitions) return;
  try {
    const answer = document.hidden ? null : await fetch("overview");
    if (answer?.ok && allPartitions) partitions(await answer.json());
  } catch { /* that nobody answers is told at the top */ }
  timer = setTimeout(askAll, ASK_ALL_MS);
}

at("more").addEventListener("click", () => {
  allPartitions = !allPartitions;
  if (allPartitions) askAll();
  else if (newest) partitions(newest);
});

export function tables(o, openEntity) {
  newest = o;
  if (!allPartitions || o.partitions.length === o.partitions_in_all) partitions(o);
  sources(o);
  workers(o);
  operators(o);
  memory(o);
  sinks(o);
  letters(o);
  entities(o, openEntity);
  rows("t-parts", o.parts.map((part) => [part.kind, part.name, [part.state, part.state], [part.reason, "long"]]), "");
}

function state(p, several) {
  if (p.overdue) return ["held the others back for too long: they go on without it", "held"];
  if (p.paused) return ["waits: too far ahead of the others", "held"];
  if (p.idle) return ["silent: the others go on without it", "held"];
  if (p.holds && several && !(p.quiet > 5000 && p.lag > 0)) return ["holds the frontier", p.quiet > 5000 ? "held" : ""];
  if (p.clock === null) return ["nothing was read yet", "quiet"];
  if (p.quiet > 5000 && p.lag > 0) return ["is not read now", "held"];
  return ["goes on", "quiet"];
}

function partitions(o) {
  const several = o.partitions_in_all > 1;
  const behind = o.newest ? o.newest.behind : null;
  const holders = o.partitions.filter((p) => p.holds).map((p) => `partition ${p.partition} of ${p.source}`);
  let text = "No event was read yet.";
  if (o.live_clock !== null && o.frontier === null) {
    if (o.partitions.some((p) => p.clock === null)) text = "The frontier has not begun: a partition has had no event yet.";
    else text = o.processes.length > 1 ? "There is no frontier: it has not begun, or all inputs have ended." : "All inputs have ended.";
  }
  else if (o.live_clock !== null) {
    const by = holders.length > 3 ? `${holders.length} partitions` : holders.join(", ");
    text = `Sealed rows are as of the frontier, ${duration(behind)} behind the live clock (${time(o.live_clock, o.wall)} UTC).`;
    if (several && by) text += ` What holds it there: ${by}.`;
  }
  setText(at("frontier"), text);
  const lines = o.partitions.map((p) => {
    const ahead = p.ahead ? `${share(p.ahead)}, by ${duration(p.ahead_by)}` : p.ahead === null ? "–" : "none";
    return [p.source, n(p.partition), state(p, several), n(count(p.lag)), [p.quiet < 1500 ? "–" : duration(p.quiet), p.quiet > 20e3 ? "n held" : "n"], clock(p.clock, o.wall), [ahead, p.ahead > 0.1 ? "n held" : "n"], n(count(p.next_offset))];
  });
  at("more").hidden = !allPartitions && o.partitions.length >= o.partitions_in_all;
  setText(at("more"), allPartitions ? "Only those with something to tell" : `All ${o.partitions_in_all} partitions`);
  rows("t-partitions", lines, "No partition is read yet.");
}

/** A clock against the machine's. */
function clock(ms, wall) {
  if (ms === null) return n("–");
  if (ms > wall + 1000) return [duration(ms - wall) + " ahead", "n held"];
  return n(duration(Math.max(wall - ms, 0)) + " ago");
}

function pressure(s) {
  const waits = s.paused ? `; ${s.paused} partition${s.paused > 1 ? "s" : ""} wait${s.paused > 1 ? "" : "s"} for the others` : "";
  if (s.down) return ["not read: " + s.down, "down"];
  if (s.lag === null) return [s.paused ? waits.slice(2) : "–", s.paused ? "held" : "quiet"];
  if (s.lag > 100 && s.lag_growth > 1) return [`falls behind by ${count(s.lag_growth)} records/s${waits}`, "held"];
  if (s.lag > 100 && s.lag_growth < -1) return [`catches up, ${duration((s.lag / -s.lag_growth) * 1000)} to go${waits}`, "held"];
  if (s.lag > 100 && s.records === 0) return [`stands still${waits}`, "held"];
  return ["keeps up" + waits, s.paused ? "held" : "ok"];
}

function sources(o) {
  rows("t-sources", o.sources.map((s) => [s.source, n(count(s.records)), pressure(s), n(count(s.lag)), n(count(s.accepted)), n(count(s.left_out)), [count(s.corrected), s.corrected ? "n held" : "n"],
    s.dead_letters.map(([reason, number]) => `${reason} ${count(number)}`).join(", ") || ["none", "quiet"]]), "The job has no source.");
}

function workers(o) {
  rows("t-workers", o.workers.map((w) => {
    const busy = w.stalled ? ["stalled: " + w.stalled, "stalled"] : bar(w.busy, `worker ${w.worker} busy`);
    return [w.worker, busy, n(count(w.records)), n(count(w.rows)), n(duration(w.p99)), n(bytes(w.held)), n(bytes(w.unsealed)), n(bytes(w.in_flight)), w.waits ? [`${WAITS[w.waits[0]] ?? w.waits[0]}, ${share(w.waits[1])}`, "held"] : ["nothing", "quiet"]];
  }), "No worker.");
  const key = o.processes.map((p) => p.url + p.own).join();
  if (at("processes").dataset.key === key) return;
  at("processes").dataset.key = key;
  const others = o.processes.flatMap((p) => [" ", p.own ? make("b", `process ${p.process} (this one)`) : link(p.url, `process ${p.process}`)]);
  at("processes").replaceChildren(...(others.length ? ["The job runs in several processes; this page is of one of them:", ...others] : []));
}

function link(url, text) {
  const element = make("a", text);
  // Of the job's own settings; anything but a page would be a mistake in them.
  if (/^https?:\/\//.test(url)) element.href = url;
  return element;
}

function operators(o) {
  rows("t-operators", o.operators.map((of) => {
    const busiest = of.busiest ? bar(of.busiest[1], `worker ${of.busiest[0]} busy with ${of.operator}`) : ["–", "quiet"];
    return [[of.operator, "code"], n(of.busiest ? of.busiest[0] : "–"), busiest, n(of.busy.toFixed(3)), n(count(of.received)), n(count(of.sent))];
  }), "They are not watched: [http] operator_metrics says so.");
}

function memory(o) {
  const line = (what, used, limit) => [what, n(bytes(used)), n(limit ? bytes(limit) : "no bound"), limit ? bar(used / limit, what) : ["–", "quiet"]];
  rows("t-memory", [line("the process", o.memory.resident, o.memory.limit), line("state of the job", o.memory.state, o.memory.state_limit)], "");
}

function sinks(o) {
  rows("t-sinks", o.sinks.map((s) => [s.sink, s.down ? [s.down, "down long"] : s.lacks ? ["rows are missing there", "down"] : ["takes what comes", "ok"], n(s.waiting_bytes === null ? count(s.waiting) : bytes(s.waiting_bytes)), n(s.behind === null ? "–" : duration(s.behind)), n(count(s.written)), n(s.merged === null ? "–" : count(s.merged))]), "");
  const c = o.checkpoint;
  setText(at("checkpoint"), !c ? "No checkpoints are made: after a restart the job reads its topics again." :
    `The newest checkpoint ${c.age === null ? "is not there yet" : `is ${duration(c.age)} old`}: ${count(c.segments)} segments, ${bytes(c.written)} written since the start.`);
}

function letters(o) {
  rows("t-letters", o.letters.map((l) => [
    [l.reason, "held name"], l.error ? [l.error, "long"] : (l.late_by === null ? "" : `${duration(l.late_by)} behind the watermark`),
    [duration(Math.max(o.wall - l.at, 0)) + " ago", "name"], `${l.source} ${l.partition} @ ${l.offset}`, [l.key ?? "–", "code id"], [l.value ?? "no payload", "code long"]]),
    "None since the start: every record was read.");
}

function entities(o, openEntity) {
  rows("t-entities", o.entities.map((e) => [e.entity, n(count(e.count)), n(count(e.events)), n(bytes(e.held)), {
    key: JSON.stringify(e.busiest),
    kind: "long",
    update: (cell) => moved(cell, e.busiest),
    make: () => busiest(e, openEntity),
  }]), "The job has no entity.");
}

/** The busiest by rank, as buttons that show them. */
function busiest(entity, openEntity) {
  if (!entity.busiest.length) return [make("span", "none stands out", "quiet")];
  return entity.busiest.flatMap(([id, perMille], rank) => {
    // An id that was cut cannot be asked for.
    if (id.length > ID_CHARS_MAX && id.endsWith("…")) return [rank ? ", " : "", make("span", id, "id"), percent(perMille)];
    const button = make("button", cut(id) || "(empty)", "id");
    button.type = "button";
    button.dataset.id = id;
    button.title = "show its rows";
    button.addEventListener("click", () => openEntity(entity.entity, id));
    return [rank ? ", " : "", button, percent(perMille)];
  });
}

/** Shows other shares of the same entities; whether they are the same. */
function moved(cell, busiest) {
  const buttons = [...cell.querySelectorAll("button")];
  const same = buttons.length && buttons.length === busiest.length && buttons.every((button, rank) => button.dataset.id === busiest[rank][0]);
  if (same) buttons.forEach((button, rank) => { button.nextSibling.textContent = percent(busiest[rank][1]); });
  return Boolean(same);
}

function percent(perMille) {
  return ` ${(perMille / 10).toFixed(1)} %`;
}
