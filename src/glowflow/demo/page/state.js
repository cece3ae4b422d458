// What is shown is a function of one state, which is never changed but replaced:
//   face, other  the image to edit, and one to blend in or null: {name, z, seed, temperature, eps, facts}, the last four
//                null where they don't apply
//   blend, path  how far from one to the other, and which way
//   levels       for each level: {take: "own" | "other" | "drawn", seed, eps}
//   strengths    of attributes by name, without those at 0
//   temperature  of random images
//   label        the class, null for a model without
//   first        the seed of the first of the random images that can be chosen
//   own          names of the visitor's own sliders
//   handfuls     images with and without what the next slider of one's own is to be of: {with, without}
// Functions that give a change of a state give some of these.

import { between, mixed, moved, scaled } from "./latents.js";

/** The latents of a state's picture; `slices` say where levels are in them, `directions` have a vector for each attribute. */
export function composed({ face, other, blend, path, levels, strengths, temperature }, slices, directions) {
  const takes = { own: () => face.z, other: () => other.z, drawn: ({ eps }) => scaled(eps, temperature) };
  const start = isWhole(levels) ? face.z : mixed(levels.map((level) => takes[level.take](level)), slices);
  const blended = other && blend ? between(start, other.z, blend, path) : start;
  return moved(blended, Object.entries(strengths).map(([name, strength]) => [directions.get(name), strength]));
}

export function isEdited({ blend, levels, strengths }) {
  return blend !== 0 || !isWhole(levels) || Object.keys(strengths).length > 0;
}

export function nameOf(state) {
  return `${state.face.name}${isEdited(state) ? ", edited" : ""}`;
}

/** What a picture of an image is of, whichever edits, temperature and class it has. */
export function subjectOf({ z, eps }) {
  return eps ?? z;
}

/** The change to an image without any edit. */
export function unedited(face, numLevels) {
  return { face, blend: 0, levels: Array.from({ length: numLevels }, () => ({ take: "own" })), strengths: {} };
}

/** Strengths with others of some attributes. */
export function edited(strengths, changed) {
  return Object.fromEntries(Object.entries({ ...strengths, ...changed }).filter(([, value]) => value !== 0));
}

/** The change to a temperature, of the image too if it's a random one. */
export function warmed({ face }, temperature) {
  return face.eps ? { temperature, face: { ...face, temperature, z: scaled(face.eps, temperature) } } : { temperature };
}

/** Whether the same picture can be had with the images' roles exchanged: levels of their own aren't blended both ways. */
export function canSwap({ other, blend, levels }) {
  return other && (blend === 0 || isWhole(levels));
}

/** The change to the same picture with the images' roles exchanged. */
export function swapped({ face, other, blend, levels, temperature }) {
  const exchanged = { own: { take: "other" }, other: { take: "own" } };
  return {
    face: other,
    other: face,
    temperature: other.temperature ?? temperature,
    ...(isWhole(levels) ? { blend: 1 - blend } : { levels: levels.map((level) => exchanged[level.take] ?? level) }),
  };
}

/** The change to a state without an image to blend in. */
export function withoutSecond({ levels }) {
  return { other: null, blend: 0, levels: levels.map((level) => (level.take === "other" ? { take: "own" } : level)) };
}

function isWhole(levels) {
  return levels.every(({ take }) => take === "own");
}
