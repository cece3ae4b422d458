// The worker of the exported page: it runs the model by ONNX Runtime in WebAssembly, on one thread.

import * as ort from "../runtime/ort.wasm.min.mjs";
import { normal } from "./normal.js";
import { pixelsOf } from "./pixels.js";
import { compared, excess } from "./usual.js";

const HERE = new URL("../model/", import.meta.url);
const FUNCTIONS = { latent, decode, read, encode, unusual, judge };

ort.env.wasm.numThreads = 1; // static hosts can't send the headers that several threads need
ort.env.wasm.wasmPaths = new URL("../runtime/", import.meta.url).href;
ort.env.logLevel = "error";

const model = json("model.json");
const weights = bytes("weights.bin"); // all functions share them
const sessions = new Map(); // the name of a function -> promise of what runs it
let noise; // promise of the noise for bits/dim, which is the same for all images, as on the server

session("decoder"); // the first that is needed

onmessage = async ({ data: { number, name, values } }) => {
  try {
    postMessage({ number, result: await FUNCTIONS[name](...values) });
  } catch (error) {
    postMessage({ number, error: error.message ?? String(error) });
  }
};

async function latent(seed) {
  return normal(seed, (await model).num_dims);
}

/** The picture of latents, as a file and as values (C, H, W). */
async function decode(z, label) {
  const image = await decoded(z, label);
  return { blob: await picture(image), image };
}

/** The latents of an example, without anything that would take time. */
async function read(file, label) {
  return latentsOf(await seenIn(file), label);
}

/** Latents and facts of an image file. */
async function encode(file, label) {
  const image = await seenIn(file);
  const z = await latentsOf(image, label);
  const again = quantized(await decoded(z, label), (await model).num_bits);
  return {
    ...(await judge(image, label)),
    z,
    seen: await picture(image),
    exact: again.every((value, i) => value === image[i]),
    faceFound: false,
    aligned: false,
  };
}

/** An image file as the model sees it. */
async function seenIn(file) {
  const { image_shape: shape, num_bits: bits } = await model;
  return quantized(await pixelsOf(file, shape), bits);
}

async function latentsOf(image, label) {
  const z = await run("encoder", { images: image }, label);
  if (!z.every(Number.isFinite)) throw new Error("The model can't encode this image: its latents would be infinite.");
  return Float64Array.from(z);
}

/** An image (C, H, W), 8 bits, of latents. */
function decoded(z, label) {
  return run("decoder", { latents: Float32Array.from(z) }, label);
}

async function bitsOf(image, label) {
  noise ??= bytes("noise.bin").then(({ buffer }) => new Float32Array(buffer));
  const [bits] = await run("likelihood", { images: image, noise: await noise }, label);
  return bits;
}

/** How usual an image is. Its bits/dim are all that this page can find out. */
async function judge(image, label) {
  const bitsPerDim = await bitsOf(image, label);
  return { bitsPerDim: Number.isFinite(bitsPerDim) ? bitsPerDim : null, pValue: null, heat: null };
}

/** How far an image is outside the usual range, as a number and in words. */
async function unusual(image, label) {
  const { range, tolerated, num_bits: bits } = await model;
  if (!range) return { excess: 0, compared: null };
  const highest = 256 - 2 ** (8 - bits);
  const extremes = quantized(image, bits).filter((value) => value === 0 || value === highest).length / image.length;
  const seen = { bitsPerDim: await bitsOf(image, label), extremes };
  const found = excess(range, seen);
  return found > tolerated ? { excess: found, compared: compared(range, seen) } : { excess: 0, compared: null };
}

/** Run one of the model's functions on one image, given its inputs by name. */
async function run(name, inputs, label) {
  const ready = await session(name);
  const feeds = Object.fromEntries(Object.entries(inputs).map(([key, values]) => [key, tensor(key, values, ready)]));
  if (label !== null) feeds.labels = new ort.Tensor("int64", BigInt64Array.of(BigInt(label)), [1]);
  const [output] = Object.values(await ready.run(feeds));
  return output.data;
}

function tensor(name, values, { inputMetadata }) {
  const [, ...shape] = inputMetadata.find((input) => input.name === name).shape;
  return new ort.Tensor(values instanceof Float32Array ? "float32" : "uint8", values, [1, ...shape]);
}

/** What runs a function, which is loaded when it's first needed. */
function session(name) {
  if (!sessions.has(name)) sessions.set(name, started(name));
  return sessions.get(name);
}

async function started(name) {
  const externalData = [{ path: "weights.bin", data: await weights }];
  return ort.InferenceSession.create(await bytes(`${name}.onnx`), { executionProviders: ["wasm"], externalData });
}

/** The image with only the model's bits kept. */
function quantized(image, bits) {
  return image.map((value) => (value >> (8 - bits)) << (8 - bits));
}

/** An image (C, H, W) as a PNG file. */
async function picture(image) {
  const [channels, height, width] = (await model).image_shape;
  const canvas = new OffscreenCanvas(width, height);
  const places = height * width;
  const data = new Uint8ClampedArray(4 * places);
  for (let i = 0; i < places; i++) {
    for (let c = 0; c < 3; c++) data[4 * i + c] = image[(channels < 3 ? 0 : c) * places + i];
    data[4 * i + 3] = channels % 2 ? 255 : image[(channels - 1) * places + i];
  }
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

async function json(name) {
  return JSON.parse(new TextDecoder().decode(await bytes(name)));
}

async function bytes(name) {
  const answer = await fetch(new URL(name, HERE)).catch(() => null);
  if (!answer?.ok) throw new Error(`The file model/${name} of this page can't be loaded.`);
  return new Uint8Array(await answer.arrayBuffer());
}
