// The sliders of attributes: those of the model, the visitor's own, and a button that moves a few of them.

import { decode } from "./engine.js";
import { signed } from "./facts.js";
import { pictureOf } from "./images.js";
import { latest } from "./latest.js";
import { keep } from "./own.js";
import { $, attributeNames, commit, compose, directions, model, now, preview } from "./session.js";
import { inWords, setRange, show, slider } from "./sliders.js";
import { edited } from "./state.js";
import { movable, surprising } from "./surprise.js";
import { attempt, say } from "./voice.js";

const rows = new Map(); // attribute -> its slider {row, valueOf, changed, range}; see attributeSlider

let kept; // names of the visitor's own sliders that survive a reload

export function begin() {
  const known = new Map(model.attributes.map((attribute) => [attribute.name, attribute]));
  for (const { name, opposite } of known.values()) {
    known.delete(opposite); // one slider has both at its ends
    $("sliders").append(attributeSlider(name, opposite));
  }
  $("no-sliders").hidden = known.size > 0;
  $("surprise").onclick = () => attempt(surprise);
}

export function render({ own, strengths }) {
  renderOwn(own);
  $("surprise").hidden = !movable([...rows.values()]).length;
  rows.forEach(({ row, valueOf }) => show(row, valueOf(strengths)));
}

export function titleOf(attribute) {
  return attributeNames().includes(attribute) ? inWords(attribute) : attribute;
}

/** The slider of an attribute, or of two opposite ones, which then stand at its ends. */
function attributeSlider(name, opposite) {
  const row = $(opposite ? "opposites-template" : "slider-template").content.cloneNode(true).firstElementChild;
  const input = row.querySelector("input");
  row.querySelector(".high").textContent = titleOf(name);
  if (opposite) {
    row.querySelector(".low").textContent = titleOf(opposite);
    input.setAttribute("aria-label", `${titleOf(opposite)} to ${titleOf(name)}`);
  }
  const valueOf = (strengths) => (strengths[name] ?? 0) - (strengths[opposite] ?? 0);
  const strengthsOf = (value) => (opposite ? { [name]: Math.max(value, 0), [opposite]: Math.max(-value, 0) } : { [name]: value });
  const changed = (value) => ({ strengths: edited(now().strengths, strengthsOf(value)) });
  const range = usualRange(name, opposite);
  if (range) setRange(row, range);
  if (range && (range[0] > -1 || range[1] < 1)) $("range-hint").hidden = false;
  slider(row, {
    value: 0,
    onInput: (value) => preview(changed(value)),
    onChange: (value, gesture) => commit(changed(value), gesture),
  });
  rows.set(name, { row, valueOf, strengthsOf, range, vector: directions.get(name) });
  return row;
}

/** The least and the greatest value with which most edited images stay usual; null if nobody tried. */
function usualRange(name, opposite) {
  const [its, ofOpposite] = [name, opposite].map((each) => model.attributes.find((known) => known.name === each)?.range);
  if (!its || (opposite && !ofOpposite)) return null;
  return [opposite ? -ofOpposite[1] : its[0], its[1]];
}

/** The visitor's own sliders, which come and go. */
function renderOwn(own) {
  if (own === kept) return;
  for (const name of kept ?? []) rows.delete(name);
  $("own").hidden = !own.length;
  $("own").replaceChildren($("own").querySelector("legend"), ...own.map(ownSlider));
  if (kept) keep(model.name, own.map((name) => [name, directions.get(name)])); // at the start they are those that are kept
  kept = own;
}

function ownSlider(name) {
  const row = $("own-template").content.cloneNode(true).firstElementChild;
  const button = row.querySelector("button");
  button.title = button.ariaLabel = `Delete the slider ${name}`;
  button.onclick = () => deleteSlider(name);
  row.prepend(attributeSlider(name));
  return row;
}

function deleteSlider(name) {
  commit({ own: now().own.filter((other) => other !== name), strengths: edited(now().strengths, { [name]: 0 }) });
  ($("sliders").querySelector("input") ?? $("make-name")).focus();
  say(`The slider ${name} is deleted.`);
}

/** Move a few sliders, so that the picture stays usual. */
async function surprise() {
  const state = now();
  const { face, label } = state;
  const isUsual = async (strengths) => {
    const pictures = [pictureOf(face, label), decode(compose({ ...state, strengths }), label)];
    const [before, after] = await Promise.all((await Promise.all(pictures)).map((picture) => picture.unusual()));
    return after.excess <= before.excess;
  };
  say("Looking for a surprise …", "working");
  const strengths = await latest("surprise", surprising(movable([...rows.values()]), isUsual).then((found) => ({ found })));
  if (!strengths) return; // the visitor has asked again
  if (now() !== state) return say(""); // the visitor has gone on
  if (!strengths.found) throw new Error("Nothing that stays usual was found. Try again.");
  commit({ strengths: strengths.found });
  const moves = Object.entries(strengths.found).map(([name, strength]) => `${titleOf(name)} ${signed(strength)}`);
  say(`Moved: ${moves.join(", ")}.`, "unseen"); // it is visible beside the picture
}
