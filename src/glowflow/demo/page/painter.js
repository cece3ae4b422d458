// Pictures of latents on a canvas: one request at a time, and always the latest next.

import { decode } from "./api.js";

/** Pixels of the shorter side of a picture that is large enough to be looked at anywhere. */
export const LARGE = 512;

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
    this.canvas.dispatchEvent(new CustomEvent("shown", { detail: { isSettled, blob } }));
  }
}

/** The picture in a Blob as a larger one, each pixel a square. */
export async function enlarged(blob) {
  const bitmap = await createImageBitmap(blob);
  const times = Math.ceil(LARGE / Math.min(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(times * bitmap.width, times * bitmap.height);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/png" });
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
