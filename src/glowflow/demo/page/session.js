// What all parts of the page share: the model, the states so far, and the large picture. A part is a module with
// `begin()`, which builds it, and `render(state)`, which shows a new state; it may lack either.

import { getDirections, getModel } from "./engine.js";
import { History } from "./history.js";
import { divided, levelSlices } from "./latents.js";
import { recalled } from "./own.js";
import { Painter } from "./painter.js";
import { composed, isEdited, subjectOf } from "./state.js";
import { complain } from "./voice.js";

export const $ = (id) => document.getElementById(id);

export let model; // the facts about it, see engine.js
export let slices; // the place of each level in a flat latent
export let numDims;
export const directions = new Map(); // attribute -> its vector (D,); deleted ones stay, for undo
export const painter = new Painter($("picture"), complain);

let past;
let parts = [];
let moving = {}; // changes that are only shown, until the next state

/** Learn about the model. */
export async function open() {
  model = await getModel();
  slices = levelSlices(model.latent_shapes);
  numDims = slices.at(-1).end;
  const vectors = divided(await getDirections(), numDims);
  attributeNames().forEach((name, i) => directions.set(name, vectors[i]));
  for (const [name, vector] of recalled(model.name, numDims)) if (!directions.has(name)) directions.set(name, vector);
}

/** Show the first state by the parts of the page. */
export function start(state, all) {
  past = new History(state);
  parts = all;
  for (const part of parts) part.begin?.();
  render();
}

export function now() {
  return past.now;
}

export function attributeNames() {
  return model.attributes.map(({ name }) => name);
}

/** The latents of a state's picture. */
export function compose(state) {
  return composed(state, slices, directions);
}

/** Show a change while a control moves. */
export function preview(change) {
  moving = { ...moving, ...change };
  paint({ ...past.now, ...moving }, false);
}

/** Make a change, and those that are shown. The changes of a gesture are undone in one step. */
export function commit(change, gesture) {
  past.commit({ ...past.now, ...moving, ...change }, gesture);
  render();
}

export function canUndo() {
  return past.canUndo;
}

export function canRedo() {
  return past.canRedo;
}

export function undo() {
  past.undo();
  render();
}

export function redo() {
  past.redo();
  render();
}

export function render() {
  moving = {};
  paint(past.now, true);
  for (const part of parts) part.render?.(past.now);
}

function paint(state, isSettled) {
  const known = isEdited(state) ? null : state.face.picture;
  painter.show(compose(state), state.label, isSettled, subjectOf(state.face), state, known);
}

/** Allow a button or not. Unlike a disabled button, one that isn't allowed keeps the keyboard's focus. */
export function allow(button, isAllowed) {
  button.setAttribute("aria-disabled", !isAllowed);
}
