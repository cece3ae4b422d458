// The engine of the exported page, which computes in this browser. Workers run the model, so that the page stays quick.

import * as assets from "./assets.js";
import { Calls } from "./calls.js";
import { Drawing, mayUseGpu } from "./drawing.js";
import { scaled } from "./latents.js";
import { pixels } from "./picture.js";
import { USUAL_TEMPERATURE } from "./state.js";

export const WHERE =
  "Everything is computed in this browser, by WebAssembly on one thread: images are sent nowhere. Latents are computed in " +
  "float32, so some values of an unusual image may come back one level off. This page can't save animations or look for " +
  "faces: glowflow demo, which needs Python, can.";
export const LACKS = ["save-animation", "api"];
export const MOST_SIDE = Infinity;

const REST = 1000; // milliseconds after the first picture, in which the page draws others
const PICTURES = 4; // that are drawn to choose what draws
const NO_WORKER =
  "The model can't be started: a file of this page is missing or refused, or this browser lacks WebAssembly with SIMD.";

const worker = new Calls(new URL("./worker.js", import.meta.url), NO_WORKER);
const drawing = new Drawing(worker, (sentence) => tell(sentence));
let tell = () => {};

export const getModel = assets.getModel;

/** A model without a reference has no map (`heat`), and then glowflow demo compares no more than this page. */
export function judges({ usual, heat }) {
  if (!usual.bits_per_dim) return "";
  return `This page compares the bits/dim alone.${heat ? " glowflow demo, which needs Python, compares more." : ""}`;
}

export async function getExamples() {
  return (await assets.json("examples.json")).images;
}

export const getDirections = () => assets.numbers("directions.bin");

export const getLatent = (seed) => worker.call("latent", [seed]);

export async function decode(z, label, isUrgent) {
  if (z instanceof Float32Array) return preview(z, label, isUrgent);
  const { blob, image } = await worker.call("decode", [z, label], isUrgent);
  afterFirst();
  return Object.assign(blob, judgements(image, label));
}

/** A picture that needn't be a file, which would take some milliseconds to write and to read. */
async function preview(z, label, isUrgent) {
  const { image } = await drawing.draw(z, label, isUrgent);
  afterFirst();
  return pixels(image, (await assets.getModel()).image_shape);
}

/** What the page may ask about an image. */
function judgements(image, label) {
  let bits; // the promise of its bits/dim
  const getBits = () => (bits ??= worker.call("bits", [image, label]));
  return {
    unusual: async () => worker.call("unusual", [image, await getBits()]),
    judge: async () => ({ bitsPerDim: await getBits(), pValue: null, map: await worker.call("map", [image, label]) }),
  };
}

export const read = (picture, label) => worker.call("read", [picture, label]);

export const encode = (file, label) => worker.call("encode", [file, label]);

export async function animate() {
  throw new Error("The exported page can't make animations: glowflow demo can.");
}

export function onDrawing(listener) {
  tell = listener;
}

let isAfter = false;

/** Do what waits for the first picture. */
function afterFirst() {
  if (isAfter) return;
  isAfter = true;
  keepForLater().catch(() => {}); // the page then needs the network
  setTimeout(() => chooseDrawing().catch(() => {}), REST); // if it fails, WebAssembly draws everything
}

/** Keep the files of the page, and of a newer one as soon as there is one. */
async function keepForLater() {
  const keeping = await navigator.serviceWorker?.register(new URL("../../offline.js", import.meta.url));
  await keeping?.update();
}

async function chooseDrawing() {
  const { webgpu, class_names: classes, num_bits: bits } = await getModel();
  if (!webgpu || !(await mayUseGpu())) return;
  const latents = await Promise.all(Array.from({ length: PICTURES }, (_, seed) => getLatent(seed)));
  const several = latents.map((z) => scaled(z, USUAL_TEMPERATURE));
  await drawing.choose(several, classes.length ? 0 : null, 2 ** (8 - bits), new URL("./gpu.js", import.meta.url));
}
