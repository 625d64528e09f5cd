// Finds features, views, services and pages by words: what does not have all of them is hidden.

const input = document.getElementById("find");
const found = document.getElementById("found");
const text = (node) => (node ? node.textContent.toLowerCase() : "");
const entries = new Map([...document.querySelectorAll("nav li")].map((entry) => [entry.firstElementChild.hash.slice(1), entry]));
const sections = [...document.querySelectorAll("main > section")].map((section) => {
  const heading = text(section.firstElementChild);
  const parts = [...section.querySelectorAll("tbody > tr, section > ul > li")];
  return { section, all: text(section), parts: parts.map((node) => ({ node, text: heading + " " + text(node) })) };
});

/** Shows the parts of each section that have all words, or all of a section that has them together. */
function find() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text) => words.every((word) => text.includes(word));
  let count = 0;
  for (const { section, all, parts } of sections) {
    const shown = has(all);
    const some = parts.filter((part) => has(part.text)).length;
    section.hidden = !shown;
    for (const { node, text } of parts) node.hidden = some > 0 && !has(text);
    const entry = entries.get(section.id);
    if (entry) entry.hidden = !shown;
    count += shown ? Math.max(some, 1) : 0;
  }
  found.textContent = words.length === 0 ? "" : count === 0 ? "Nothing has all of these words." : `${count} found`;
}

input.addEventListener("input", find);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== input) {
    event.preventDefault();
    input.focus();
  }
  if (event.key === "Escape" && document.activeElement === input) {
    input.value = "";
    find();
  }
});
find();
