// The model's functions, run by ONNX Runtime.

import { bytes, getModel } from "./assets.js";
import { cached } from "./cache.js";

const RUNTIME = new URL("../runtime/", import.meta.url);

const ERRORS = 3; // ONNX Runtime logs nothing less

/** Functions that are loaded when they are first needed. The provider of ONNX Runtime is "wasm" or "webgpu". */
export class Functions {
  #ort;
  #provider;
  #loaded = new Map(); // the name of a function -> promise of what runs it; and all functions share the weights

  constructor(ort, provider) {
    this.#ort = ort;
    this.#provider = provider;
    const [mjs, wasm] = ["js", "wasm"].map((kind) => new URL(`${provider}-module.${kind}`, RUNTIME).href);
    ort.env.wasm.wasmPaths = { mjs, wasm };
    ort.env.wasm.numThreads = 1; // static hosts can't send the headers that several threads need
    ort.env.logLevel = "error";
  }

  /** Run a function on one image, given its inputs by name. */
  async run(name, inputs, label) {
    const [ready, { image_shape: image, num_dims: size }] = await Promise.all([this.load(name), getModel()]);
    const shapes = { images: image, noise: image, latents: [size] };
    const feeds = Object.fromEntries(Object.entries(inputs).map(([key, values]) => [key, this.#tensor(values, shapes[key])]));
    if (label !== null) feeds.labels = new this.#ort.Tensor("int64", BigInt64Array.of(BigInt(label)), [1]);
    const [output] = Object.values(await ready.run(feeds));
    return output.data;
  }

  /** The promise of what runs a function. */
  load(name) {
    return cached(this.#loaded, name, () => this.#started(name));
  }

  async #started(name) {
    const weights = cached(this.#loaded, "weights", () => bytes("weights.bin"));
    const [graph, data] = await Promise.all([bytes(`${name}.onnx`), weights]);
    return this.#ort.InferenceSession.create(graph, {
      executionProviders: [this.#provider],
      externalData: [{ path: "weights.bin", data }],
      logSeverityLevel: ERRORS,
    });
  }

  #tensor(values, shape) {
    return new this.#ort.Tensor(values instanceof Float32Array ? "float32" : "uint8", values, [1, ...shape]);
  }
}
