// The features of the job, to search in.

import { at, make, rows, setText } from "./draw.js";

let features = [];

/** Words that are all to be found somewhere in a feature. */
function find() {
  const words = at("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (f) => [f.name, f.view, f.entity, f.over, f.definition, f.description, f.value_type].join(" ").toLowerCase();
  const found = features.filter((f) => words.every((word) => text(f).includes(word)));
  setText(at("found"), `${found.length} of ${features.length} features`);
  rows("t-catalogue", found.map((f) => [[f.name, "code"], `${f.entity}, ${f.view}`, f.over || "what it names", {
    key: f.view + "." + f.name, kind: "long",
    make: () => [make("span", f.definition, f.definition.startsWith("=") ? "code" : ""), f.description ? " – " + f.description : ""],
  }, f.value_type, [f.empty, "n code"]]), "None has all of these words.");
}

export async function catalogue() {
  const answer = await fetch("catalogue");
  if (!answer.ok) return;
  features = await answer.json();
  find();
}

at("find").addEventListener("input", find);
