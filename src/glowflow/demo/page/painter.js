// Pictures of latents on canvases. None is ever shown as the picture of something else, in whatever order they come: each
// has a subject, what it is a picture of. Subjects are compared by `isSame`.

import { decode } from "./api.js";
import { isSame } from "./same.js";

/** Pixels of the shorter side of a picture that is large enough to be looked at anywhere. */
export const LARGE = 512;

const PATIENCE = 150; // milliseconds that the picture of another subject may take, before the canvas is emptied for it

/** Shows what changes: one request at a time, and always the latest next. */
export class Painter {
  #next = null;
  #isBusy = false;
  #wanted = null;
  #timer;

  /**
   * @param canvas where; a "shown" event on it tells of each picture, and a "turned" event of another subject
   * @param onError takes an Error
   */
  constructor(canvas, onError) {
    this.canvas = canvas;
    this.onError = onError;
    this.subject = null;
  }

  /** Whether the canvas shows a picture of a subject, or is empty for it. */
  isOf(subject) {
    return isSame(this.subject, subject);
  }

  /** Show latents: fast (in float32) while they change, exactly (in float64) when they're settled. */
  show(z, label, isSettled, subject) {
    this.canvas.setAttribute("aria-busy", "true");
    this.#expect(subject);
    this.#next = { z: isSettled ? Float64Array.from(z) : Float32Array.from(z), label, isSettled, subject: this.#wanted };
    if (!this.#isBusy) this.#run();
  }

  /** Get ready for a subject: the former one's picture stays for a moment, then the canvas is emptied. */
  #expect(subject) {
    if (isSame(this.#wanted, subject)) return;
    this.#wanted = subject;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.isOf(this.#wanted)) return;
      clear(this.canvas);
      this.#turn();
    }, PATIENCE);
  }

  #turn() {
    if (this.isOf(this.#wanted)) return;
    this.subject = this.#wanted;
    this.canvas.dispatchEvent(new CustomEvent("turned"));
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

  async #paint({ z, label, isSettled, subject }) {
    const blob = await decode(z, label);
    const bitmap = await createImageBitmap(blob);
    if (subject !== this.#wanted) return;
    put(this.canvas, bitmap);
    this.#turn();
    this.canvas.dispatchEvent(new CustomEvent("shown", { detail: { isSettled, blob } }));
  }
}

const presented = new WeakMap(); // canvas -> the subject and the picture that it is to show

/** Show a picture, the promise of a Blob, on a canvas. Until it's there, only one of the same subject stays. */
export async function present(canvas, subject, picture) {
  const before = presented.get(canvas);
  if (before?.picture === picture) return;
  const mine = { subject, picture };
  presented.set(canvas, mine);
  if (!isSame(before?.subject, subject)) clear(canvas);
  const bitmap = await picture.then(createImageBitmap).catch((error) => {
    if (presented.get(canvas) === mine) clear(canvas);
    throw error;
  });
  if (presented.get(canvas) === mine) put(canvas, bitmap);
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

/** Put a bitmap on a canvas, which takes its size, in place of what is there. */
function put(canvas, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  clear(canvas); // or it would be seen through what is transparent
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}

function clear(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}
