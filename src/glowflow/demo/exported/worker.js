// The worker of the exported page: it runs the model by ONNX Runtime in WebAssembly, on one thread.

import * as ort from "../runtime/wasm.js";
import { answer } from "./answering.js";
import { getModel, numbers } from "./assets.js";
import { cached } from "./cache.js";
import { decode, decoded, preview, timed } from "./decoding.js";
import { heatMap } from "./heat.js";
import { normal } from "./normal.js";
import { picture } from "./picture.js";
import { pixelsOf } from "./pixels.js";
import { Functions } from "./running.js";
import { compared, excess } from "./usual.js";

const functions = new Functions(ort, "wasm");
const kept = new Map(); // the noise for bits/dim, which is the same for all images, as on the server

functions.load("decoder"); // the first that is needed

answer({
  latent,
  read,
  encode,
  bits,
  unusual,
  map,
  decode: (z, label) => decode(functions, z, label),
  preview: (z, label) => preview(functions, z, label),
  timed: (z, label) => timed(functions, z, label),
});

async function latent(seed) {
  return normal(seed, (await getModel()).num_dims);
}

/** The latents of an example, without anything that would take time. */
async function read(file, label) {
  return latentsOf(await seenIn(file), label);
}

/** Latents and facts of an image file. */
async function encode(file, label) {
  const { image_shape: shape, num_bits: numBits } = await getModel();
  const image = await seenIn(file);
  const z = await latentsOf(image, label);
  const again = quantized(await decoded(functions, z, label), numBits);
  return {
    z,
    seen: await picture(image, shape),
    bitsPerDim: await bits(image, label),
    pValue: null,
    exact: again.every((value, i) => value === image[i]),
    faceFound: false,
    aligned: false,
  };
}

/** An image file as the model sees it. */
async function seenIn(file) {
  const { image_shape: shape, num_bits: numBits } = await getModel();
  return quantized(await pixelsOf(file, shape), numBits);
}

async function latentsOf(image, label) {
  const z = await functions.run("encoder", { images: image }, label);
  if (!z.every(Number.isFinite)) throw new Error("The model can't encode this image: its latents would be infinite.");
  return Float64Array.from(z);
}

/** The bits/dim of an image, or null for infinitely many. */
async function bits(image, label) {
  const noise = await cached(kept, "noise", () => numbers("noise.bin"));
  const [found] = await functions.run("likelihood", { images: image, noise }, label);
  return Number.isFinite(found) ? found : null;
}

/** A map of where an image takes more bits than usual images; null if it isn't known what they take. */
async function map(image, label) {
  const { heat, image_shape: shape } = await getModel();
  return heat && heatMap(await functions.run("where", { images: image }, label), shape, heat);
}

/** How far an image is outside the usual range, given its bits/dim, as a number and in words. */
async function unusual(image, bitsPerDim) {
  const { range, tolerated, num_bits: numBits } = await getModel();
  if (!range) return { excess: 0, compared: null };
  const highest = 256 - 2 ** (8 - numBits);
  const extremes = quantized(image, numBits).filter((value) => value === 0 || value === highest).length / image.length;
  const seen = { bitsPerDim, extremes };
  const found = excess(range, seen);
  return found > tolerated ? { excess: found, compared: compared(range, seen) } : { excess: 0, compared: null };
}

/** The image with only the model's bits kept. */
function quantized(image, numBits) {
  return image.map((value) => (value >> (8 - numBits)) << (8 - numBits));
}
