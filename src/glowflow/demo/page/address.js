// The page's address, which leads to the image that is shown, if seeds, examples and sliders are enough for that.

import { example, examples, random } from "./images.js";
import { latest } from "./latest.js";
import { drawnLevel } from "./levels.js";
import { fromHash, toHash } from "./link.js";
import { $, attributeNames, commit, model, now, render as renderAll, slices } from "./session.js";
import { attempt, say } from "./voice.js";

export function begin() {
  $("share").onclick = () => attempt(share);
  window.addEventListener("hashchange", () => attempt(follow));
}

export function render(state) {
  const hash = toHash(state, attributeNames(), examples);
  window.history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

/** Read the address: a change of the state, and a sentence about the parts that are ignored. */
export async function linked() {
  const { state, ignored } = fromHash(location.hash, {
    names: attributeNames(),
    numLevels: slices.length,
    numClasses: model.class_names.length,
    examples,
  });
  if (!state) return { change: {}, ignored };
  const face = await named(state.face);
  const other = state.other && (await named(state.other, state.label));
  const levels = await Promise.all(state.levels.map(async (l) => (l.seed === undefined ? l : drawnLevel(l.seed))));
  return { change: { ...state, face, other, levels }, ignored };
}

/** The image that a link names. An example to blend in is read as an image of the class that is shown. */
function named({ seed, temperature, example: number }, label) {
  return number === null ? random(seed, temperature) : example(number, label);
}

async function follow() {
  if (document.getElementById(location.hash.slice(1))) return renderAll(); // a place on the page, such as that of "Skip to"
  const found = await latest("face", linked());
  if (!found) return;
  commit(found.change);
  if (found.ignored) say(found.ignored, "problem");
}

async function share() {
  if (!toHash(now(), attributeNames(), examples)) {
    throw new Error("A link can't hold your own images or sliders: save the latents, and send the file.");
  }
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  say(copied ? "The link to this image is copied. It is also in the address bar." : "The address bar has the link to this image.");
}
