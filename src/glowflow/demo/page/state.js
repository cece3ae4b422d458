// What is shown follows from one state. A state is never changed; a new one replaces it. Its fields are:
//   face, other  the image to edit, and one to blend in or null: {name, z, seed, temperature, eps, example, picture,
//                facts}; all but the first two are null if they don't apply
//   blend, path  how far from one to the other, and along which path
//   levels       for each level: {take: "own" | "other" | "drawn", seed, eps}
//   strengths    strengths of attributes by name, without those at 0
//   temperature  the temperature of random images
//   label        the class; null for a model without classes
//   first        the seed of the first of the random images that can be chosen
//   own          names of the visitor's own sliders
//   handfuls     images {with, without} the attribute for which the visitor makes a slider
// A function that gives a change of a state returns some of these fields.

import { between, mixed, moved, scaled } from "./latents.js";

/** The temperature at the beginning. */
export const USUAL_TEMPERATURE = 0.7;

/** The latents of a state's picture. `slices` has the place of each level, `directions` a vector for each attribute. */
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

/** The subject of an image's pictures, which is the same for all edits, temperatures and classes. */
export function subjectOf({ z, eps }) {
  return eps ?? z;
}

/** The change that shows an image without any edit. */
export function unedited(face, numLevels) {
  return { face, blend: 0, levels: Array.from({ length: numLevels }, () => ({ take: "own" })), strengths: {} };
}

/** Strengths in which some are replaced. */
export function edited(strengths, changed) {
  return Object.fromEntries(Object.entries({ ...strengths, ...changed }).filter(([, value]) => value !== 0));
}

/** The change that sets the temperature, and that of the image if it is a random one. */
export function warmed({ face }, temperature) {
  return face.eps ? { temperature, face: { ...face, temperature, z: scaled(face.eps, temperature) } } : { temperature };
}

/** True if the images can exchange roles without changing the picture, which fails if mixed levels are blended. */
export function canSwap({ other, blend, levels }) {
  return other && (blend === 0 || isWhole(levels));
}

/** The change that exchanges the images' roles and keeps the picture. */
export function swapped({ face, other, blend, levels, temperature }) {
  const exchanged = { own: { take: "other" }, other: { take: "own" } };
  return {
    face: other,
    other: face,
    temperature: other.temperature ?? temperature,
    ...(isWhole(levels) ? { blend: 1 - blend } : { levels: levels.map((level) => exchanged[level.take] ?? level) }),
  };
}

/** The change that removes the image to blend in. */
export function withoutSecond({ levels }) {
  return { other: null, blend: 0, levels: levels.map((level) => (level.take === "other" ? { take: "own" } : level)) };
}

function isWhole(levels) {
  return levels.every(({ take }) => take === "own");
}
