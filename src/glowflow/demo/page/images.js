// The images that the page shows: random ones, examples of the model's data, and the visitor's own. Each has its latents.

import { bytes, png } from "./base64.js";
import { cached } from "./cache.js";
import { decode, encode, getExamples, getLatent, MOST_SIDE, read } from "./engine.js";
import { readLatents, reduced, typed } from "./files.js";
import { scaled } from "./latents.js";
import { present } from "./painter.js";
import { model, now, numDims } from "./session.js";
import { subjectOf } from "./state.js";
import { attempt, say } from "./voice.js";

const MOST_SEEDS = 2 ** 31;
const MOST_KEPT = 48; // latents of seeds
const UNKNOWN = { seed: null, temperature: null, eps: null, example: null, picture: null, facts: null };

const latents = new Map(); // seed -> promise of its latents, for the latest few seeds
const chosen = new Map(); // number and class of an example -> promise of the image
const pictures = new WeakMap(); // image -> Map of class -> promise of its Blob

export let examples = []; // {picture, label, digest, z}: a Blob, the class or null, and the latents or null

/** Get the examples. */
export async function collect() {
  const given = await getExamples();
  examples = given.map(({ image, label, digest, latents }) => ({ picture: png(image), label, digest, z: latents ? numbersIn(latents) : null }));
}

function numbersIn(text) {
  return Float64Array.from(new Float32Array(bytes(text).buffer));
}

export function someSeed() {
  return Math.floor(Math.random() * MOST_SEEDS);
}

/** The standard normal latents of a seed. */
export function latentOf(seed) {
  const found = cached(latents, seed, () => getLatent(seed));
  latents.delete(seed); // the latest goes last
  latents.set(seed, found);
  if (latents.size > MOST_KEPT) latents.delete(latents.keys().next().value);
  return found;
}

export async function random(seed, temperature) {
  const eps = await latentOf(seed);
  return { ...UNKNOWN, name: `Random image ${seed}`, seed, temperature, eps, z: scaled(eps, temperature) };
}

export function exampleName(number) {
  return `Test image ${number + 1}`;
}

/** An example, by its number from 0 on, as an image of a class: its own one by default. */
export function example(number, label = examples[number].label) {
  return cached(chosen, `${number} ${label}`, async () => {
    const [name, { picture, z, label: itsClass }] = [exampleName(number), examples[number]];
    const latents = z && label === itsClass ? z : await read(picture, label).catch(told(name));
    return { ...named(name, latents), example: number, picture };
  });
}

/** An image file of the visitor's. */
export async function encoded(given) {
  if (!model.takes_images) throw new Error("No image file has as many channels as this model's images.");
  const file = await typed(given);
  if (!model.limits.types.includes(file.type)) {
    throw new Error(`${file.name} isn't a kind of image that can be read: use a PNG, a JPEG or a WebP.`);
  }
  say(`Reading ${file.name} …`, "working");
  const { body, width, height } = await reduced(file, MOST_SIDE);
  if (body.size > model.limits.bytes) {
    throw new Error(`${file.name} is larger than ${Math.round(model.limits.bytes / 1e6)} MB.`);
  }
  const fits = height === model.image_shape[1] && width === model.image_shape[2]; // then it is cut already
  const align = document.getElementById("align").checked && !fits;
  const { label } = now();
  const { z, seen, ...facts } = await encode(body, label, align).catch(told(file.name));
  return { ...named(file.name, z), facts: { ...facts, label, pictureSeen: Promise.resolve(seen) } };
}

/** A handler that lets an error say which image it is about. */
function told(name) {
  return (error) => {
    throw new Error(`${name}: ${error.message}`);
  };
}

/** The image of a file with latents. */
export async function opened(file) {
  return named(file.name, await readLatents(file, numDims));
}

/** The image that latents have, under a name. */
export function named(name, z) {
  return { ...UNKNOWN, name, z };
}

/** The promise of an image's picture for a class. */
export function pictureOf(image, label = now().label) {
  if (!pictures.has(image)) pictures.set(image, new Map());
  return cached(pictures.get(image), label, () => decode(Float64Array.from(image.z), label));
}

/** Show an image's picture on a canvas. */
export function presentImage(canvas, image, picture = pictureOf(image)) {
  attempt(() => present(canvas, subjectOf(image), picture));
}
