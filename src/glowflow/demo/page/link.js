// Images as links: the part behind the # has seeds, digests of examples, and sliders. An image from a file has no such link.

import { USUAL_TEMPERATURE } from "./state.js";

const ATTRIBUTE = "a.";
const LEVEL = "level";
const FACE = { seed: "seed", example: "example", temperature: "t" }; // the names of the parts about an image
const OTHER = { seed: "second", example: "second-example", temperature: "t2" };
const HOTTEST = 1.2;
const MOST_NAMED = 4; // of the ignored parts, in the message
const LONGEST = 40; // letters of each part that are quoted

/** The text for a state; null if the state needs more than seeds, examples and the model's own directions. */
export function toHash(state, names, examples) {
  const edits = Object.entries(state.strengths);
  if (!isNamed(state.face) || (state.other && !isNamed(state.other))) return null;
  if (edits.some(([name]) => !names.includes(name))) return null;
  const entries = [...imageParts(state.face, FACE, state.temperature, examples)];
  if (state.label !== null) entries.push(["class", state.label]);
  if (state.other) entries.push(...imageParts(state.other, OTHER, null, examples));
  if (state.other && state.blend) entries.push(["blend", state.blend], ["path", state.path]);
  state.levels.forEach((level, i) => level.take !== "own" && entries.push([`${LEVEL}${i}`, level.seed ?? level.take]));
  entries.push(...edits.map(([name, strength]) => [ATTRIBUTE + name, strength]));
  return new URLSearchParams(entries).toString();
}

function isNamed({ seed, example }) {
  return seed !== null || example !== null;
}

/** The parts about an image. An example has no temperature: its own is that of the page, if there is one. */
function imageParts({ seed, example, temperature }, keys, otherwise, examples) {
  const origin = seed === null ? [keys.example, examples[example].digest] : [keys.seed, seed];
  const heat = temperature ?? otherwise;
  return heat === null ? [origin] : [origin, [keys.temperature, heat]];
}

/**
 * Read a text. `state` has defaults for what the text lacks, and is null if the text names no image. `ignored` is a
 * sentence about the parts that can't be used, or empty. The model has attributes with `names`, and two numbers, and the
 * page has `examples`.
 */
export function fromHash(text, { names, numLevels, numClasses, examples }) {
  const parts = new Parts(text.replace(/^#/, ""));
  const state = read(parts, names, numLevels, numClasses, examples);
  return { state, ignored: state || parts.isEmpty ? parts.ignored : "This link names no image, so it was ignored." };
}

function read(parts, names, numLevels, numClasses, examples) {
  const face = takenImage(parts, FACE, examples);
  if (!face) return null;
  const other = takenImage(parts, OTHER, examples);
  const ofSecond = (kind) => (other ? kind : { parse: () => undefined, wanted: "the link names no second image" });
  const level = (i) => parts.take(`${LEVEL}${i}`, taken(other !== null), { take: "own" });
  const strengths = names.map((name) => [name, parts.take(ATTRIBUTE + name, within(-1, 1), 0)]);
  return {
    face,
    temperature: face.temperature,
    other,
    blend: parts.take("blend", ofSecond(within(0, 1)), 0),
    path: parts.take("path", ofSecond(among("linear", "spherical")), "linear"),
    label: numClasses ? parts.take("class", whole(numClasses), examples[face.example]?.label ?? 0) : null,
    levels: Array.from({ length: numLevels }, (_, i) => level(i)),
    strengths: Object.fromEntries(strengths.filter(([, strength]) => strength)),
  };
}

/** The image that parts name: {seed, example, temperature}, with null for the one of the first two that they don't name. */
function takenImage(parts, keys, examples) {
  const seed = parts.take(keys.seed, whole(), null);
  const example = seed === null ? parts.take(keys.example, oneOf(examples), null) : null;
  if (seed === null && example === null) return null;
  const temperature = parts.take(keys.temperature, within(0, HOTTEST), USUAL_TEMPERATURE);
  return { seed, example, temperature };
}

/** The parts of a text. They are taken one by one; those that are left or wrong are ignored. */
class Parts {
  #left;
  #wrong = [];

  constructor(text) {
    this.#left = [...new URLSearchParams(text)];
    this.isEmpty = !this.#left.length;
  }

  /** The value of a part, read by its kind; `otherwise` if the part is missing or wrong. */
  take(key, { parse, wanted }, otherwise) {
    const index = this.#left.findIndex(([name]) => name === key);
    if (index < 0) return otherwise;
    const [[, text]] = this.#left.splice(index, 1);
    const value = parse(text);
    if (value === undefined) this.#wrong.push(`${quoted(key, text)} (${wanted})`);
    return value === undefined ? otherwise : value;
  }

  /** A sentence about the parts that were wrong or never taken. */
  get ignored() {
    const all = [...this.#wrong, ...this.#left.map(([key, text]) => `${quoted(key, text)} (${unknown(key)})`)];
    if (!all.length) return "";
    const more = all.length > MOST_NAMED ? ` and ${all.length - MOST_NAMED} more` : "";
    return `The link has parts that were ignored: ${all.slice(0, MOST_NAMED).join(", ")}${more}.`;
  }
}

function unknown(key) {
  if (key.startsWith(ATTRIBUTE)) return "this model has no such attribute";
  if (key.startsWith(LEVEL)) return "this model has no such level";
  if (key === "class") return "this model has no classes";
  return "it is unknown, or was given before";
}

function quoted(key, text) {
  const part = `${key}=${text}`;
  return part.length > LONGEST ? `${part.slice(0, LONGEST)}…` : part;
}

/* Kinds of parts: `parse` reads one, or gives undefined if it is wrong; `wanted` says what is right */

function whole(end = Infinity) {
  const parse = (text) => (/^\d{1,15}$/.test(text) && Number(text) < end ? Number(text) : undefined);
  return { parse, wanted: `it takes a whole number${end < Infinity ? ` from 0 to ${end - 1}` : ""}` };
}

function oneOf(examples) {
  const numbers = new Map(examples.map(({ digest }, number) => [digest, number]));
  return { parse: (text) => numbers.get(text), wanted: `this page has no ${examples.length ? "such test image" : "test images"}` };
}

function within(low, high) {
  const isNumber = (text) => text.trim() !== "" && Number(text) >= low && Number(text) <= high;
  return { parse: (text) => (isNumber(text) ? Number(text) : undefined), wanted: `it takes a number from ${low} to ${high}` };
}

function among(...words) {
  return { parse: (text) => words.find((word) => word === text), wanted: `it takes ${words.join(" or ")}` };
}

function taken(hasSecond) {
  const seed = whole();
  const parse = (text) => {
    if (text === "other" && hasSecond) return { take: "other" };
    const number = seed.parse(text);
    return number === undefined ? undefined : { take: "drawn", seed: number };
  };
  return { parse, wanted: `it takes a seed${hasSecond ? " or other" : ""}` };
}
