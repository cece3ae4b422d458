// Pictures of latents on a canvas: one request at a time, and always the latest next.

import { decode } from "./api.js";

export class Painter {
  #next = null;
  #isBusy = false;

  /** @param canvas where; a "shown" event on it tells of each picture @param onError takes an Error */
  constructor(canvas, onError) {
    this.canvas = canvas;
    this.onError = onError;
  }

  /** Show latents: fast (in float32) while they change, exactly (in float64) when they're settled. */
  show(z, label, isSettled) {
    this.canvas.setAttribute("aria-busy", "true");
    this.#next = { z: isSettled ? Float64Array.from(z) : Float32Array.from(z), label, isSettled };
    if (!this.#isBusy) this.#run();
  }

  async #run() {
    this.#isBusy = true;
    while (this.#next) {
      const job = this.#next;
      this.#next = null;
      await this.#paint(job).catch(this.onError);
    }
    this.#isBusy = false;
    this.canvas.setAttribute("aria-busy", "false");
  }

  async #paint({ z, label, isSettled }) {
    const blob = await decode(z, label);
    await draw(this.canvas, blob);
    this.canvas.dispatchEvent(new CustomEvent("shown", { detail: { isSettled } }));
  }
}

/** Draw a Blob on a canvas, which takes its size. */
export async function draw(canvas, blob) {
  const bitmap = await createImageBitmap(blob);
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}
