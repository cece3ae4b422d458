// What draws the pictures while a slider moves: WebAssembly, or WebGPU where this browser has it, if WebGPU is faster and
// draws the same pictures. Whenever WebGPU fails, WebAssembly draws them.

import { Calls } from "./calls.js";

const SOON_ENOUGH = 16; // milliseconds: where WebAssembly takes less for a picture, nothing else is tried
const PATIENCE = 2000; // milliseconds for a picture
const MORE_PATIENCE = 60_000; // milliseconds for the first one, before which WebGPU loads and prepares everything

export class Drawing {
  #wasm;
  #gpu = null;
  #tell;

  /** @param wasm Calls of the worker that can draw everything; @param tell takes a sentence about what draws */
  constructor(wasm, tell) {
    this.#wasm = wasm;
    this.#tell = tell;
  }

  /** Draw the picture of latents, as `preview` of a worker does. */
  async draw(z, label, isUrgent) {
    const picture = this.#gpu && (await within(PATIENCE, this.#gpu.call("preview", [z, label], isUrgent)).catch(() => this.#leave()));
    return picture ?? this.#wasm.call("preview", [z, label], isUrgent);
  }

  /**
   * Find out what to draw with.
   *
   * @param several latents whose images both draw; @param label their class, or null; @param level the most that the
   *   images may differ by; @param worker the module of the other worker
   */
  async choose(several, label, level, worker) {
    const ours = await trial(this.#wasm, several, label, MORE_PATIENCE); // a slow one is what WebGPU is for
    if (ours.milliseconds < SOON_ENOUGH) return;
    const gpu = new Calls(worker, "WebGPU doesn't work here.");
    const theirs = await trial(gpu, several, label, PATIENCE).catch(() => null);
    if (!theirs || theirs.milliseconds >= ours.milliseconds || !areAlike(ours.images, theirs.images, level)) return gpu.end();
    this.#gpu = gpu;
    const [quick, slow] = [theirs, ours].map(({ milliseconds }) => `${milliseconds.toFixed(1)} ms`);
    this.#tell(`WebGPU draws the pictures while a slider moves: it takes ${quick} for each, and WebAssembly ${slow}.`);
  }

  /** Draw without WebGPU from now on. */
  #leave() {
    this.#gpu?.end();
    this.#gpu = null;
    this.#tell("");
    return null;
  }
}

/** True if this browser can compute on a graphics card, not only on a slow stand-in, and needn't save data. */
export async function mayUseGpu() {
  if (navigator.connection?.saveData) return false;
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
}

/** The images of latents by a worker, and the least time that one of them took. There is more patience for the first. */
async function trial(worker, several, label, patience) {
  const found = [];
  for (const z of several) found.push(await within(found.length ? patience : MORE_PATIENCE, worker.call("timed", [z, label])));
  return { images: found.map(({ image }) => image), milliseconds: Math.min(...found.map(({ milliseconds }) => milliseconds)) };
}

function areAlike(ours, theirs, level) {
  return ours.every((image, i) => image.every((value, j) => Math.abs(value - theirs[i][j]) <= level));
}

function within(milliseconds, promise) {
  const late = (_, reject) => setTimeout(() => reject(new Error("It takes too long.")), milliseconds);
  return Promise.race([promise, new Promise(late)]);
}
