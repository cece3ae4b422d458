// The engine of the exported page, which computes in this browser: a worker runs the model, so that the page stays quick.

import { bytes, png } from "./base64.js";

export const WHERE =
  "Everything is computed in this browser: images are sent nowhere. Latents are computed in float32, so some values of " +
  "an unusual image may come back one level off.";
export const JUDGES =
  "This page compares the bits/dim alone. glowflow demo, which needs Python, compares more, and shows which pixels take " +
  "the bits.";
export const LACKS = ["save-animation", "api", "heat-figure"];

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const waiting = new Map(); // the number of a call -> what its answer is given to
let count = 0;

worker.onmessage = ({ data: { number, result, error } }) => {
  const { resolve, reject } = waiting.get(number);
  waiting.delete(number);
  if (error === undefined) resolve(result);
  else reject(new Error(error));
};

worker.onerror = (event) => {
  event.preventDefault();
  for (const { reject } of waiting.values()) reject(new Error("This browser can't run the model: it needs WebAssembly with SIMD."));
  waiting.clear();
};

/** Ask the worker for one of its functions. */
function call(name, ...values) {
  const number = count++;
  worker.postMessage({ number, name, values });
  return new Promise((resolve, reject) => waiting.set(number, { resolve, reject }));
}

export async function getModel() {
  return (await loaded("model.json")).json();
}

export async function getExamples() {
  const { images } = await (await loaded("examples.json")).json();
  return images.map(({ image, label, latents }) => ({ picture: png(image), label, z: latents ? numbers(latents) : null }));
}

function numbers(text) {
  return Float64Array.from(new Float32Array(bytes(text).buffer));
}

export async function getDirections(numDims) {
  const numbers = new Float32Array(await (await loaded("directions.bin")).arrayBuffer());
  return Array.from({ length: numbers.length / numDims }, (_, i) => numbers.subarray(i * numDims, (i + 1) * numDims));
}

export const getLatent = (seed) => call("latent", seed);

export async function decode(z, label) {
  const { blob, image } = await call("decode", z, label);
  stayForLater();
  return Object.assign(blob, { unusual: () => call("unusual", image, label), judge: () => call("judge", image, label) });
}

export const read = (picture, label) => call("read", picture, label);

export const encode = (file, label) => call("encode", file, label);

export async function animate() {
  throw new Error("The exported page can't make animations: glowflow demo can.");
}

async function loaded(name) {
  const answer = await fetch(new URL(`../model/${name}`, import.meta.url)).catch(() => null);
  if (!answer?.ok) throw new Error(`The file model/${name} of this page can't be loaded.`);
  return answer;
}

let isStaying = false;

/** Keep the page's files, so that it works without a network from now on. This waits for the first picture. */
function stayForLater() {
  if (isStaying) return;
  isStaying = true;
  navigator.serviceWorker?.register(new URL("../offline.js", import.meta.url)).catch(() => {}); // it then needs the network
}
