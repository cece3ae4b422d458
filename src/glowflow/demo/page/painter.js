// Pictures of latents on canvases. Each has a subject: what it is a picture of. In whatever order pictures come, none is
// shown for another subject. Subjects are compared by `isSame`.

import { decode } from "./engine.js";
import { isSame } from "./same.js";

/** Pixels of the shorter side of a picture that is large enough for any screen. */
export const LARGE = 512;

const PATIENCE = 150; // milliseconds until the canvas is cleared, if the picture of a new subject takes longer

/** Shows pictures that change: it makes one request at a time, and always the latest next. */
export class Painter {
  #next = null;
  #isBusy = false;
  #wanted = null;
  #timer;

  /**
   * @param canvas gets a "shown" event for each picture, with the state that it shows, and a "turned" event for each
   *   new subject
   * @param onError takes an Error
   */
  constructor(canvas, onError) {
    this.canvas = canvas;
    this.onError = onError;
    this.subject = null;
  }

  /** True if the canvas shows a picture of a subject, or is cleared for it. */
  isOf(subject) {
    return isSame(this.subject, subject);
  }

  /**
   * Show the latents of a state: fast (in float32) while they change, exactly (in float64) when they're settled. If a
   * picture of them is known already, a Blob, it's shown until then.
   */
  show(z, label, isSettled, subject, state, known) {
    this.canvas.setAttribute("aria-busy", "true");
    this.#expect(subject, known);
    const numbers = isSettled ? Float64Array.from(z) : Float32Array.from(z);
    this.#next = { z: numbers, label, isSettled, subject: this.#wanted, state };
    if (!this.#isBusy) this.#run();
  }

  /**
   * Get ready for a subject: the picture of the former one stays for a moment. Then the known picture takes its place, or
   * else the canvas is cleared.
   */
  #expect(subject, known) {
    if (isSame(this.#wanted, subject)) return;
    this.#wanted = subject;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.isOf(this.#wanted)) return;
      clear(this.canvas);
      this.#turn();
    }, PATIENCE);
    if (known) this.#bridge(known).catch(() => {}); // the canvas is then cleared
  }

  /** Show a known picture of the wanted subject, if it comes before that of the latents. */
  async #bridge(known) {
    const subject = this.#wanted;
    const bitmap = await createImageBitmap(known);
    if (subject !== this.#wanted || this.isOf(subject)) return bitmap.close();
    put(this.canvas, bitmap);
    this.#turn();
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

  async #paint({ z, label, isSettled, subject, state }) {
    const picture = await decode(z, label, true);
    const drawable = picture instanceof ImageData ? picture : await createImageBitmap(picture);
    if (subject !== this.#wanted) return;
    put(this.canvas, drawable);
    this.#turn();
    this.canvas.dispatchEvent(new CustomEvent("shown", { detail: { isSettled, picture, state } }));
  }
}

const presented = new WeakMap(); // canvas -> the subject and the picture that it is to show

/** Show a picture, the promise of what `decode` gives, on a canvas. Until then, only one of the same subject stays. */
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

/** Enlarge the picture in a Blob, so that each pixel is a square. */
export async function enlarged(blob) {
  const bitmap = await createImageBitmap(blob);
  const times = Math.ceil(LARGE / Math.min(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(times * bitmap.width, times * bitmap.height);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/png" });
}

/** Replace what is on a canvas by a bitmap or pixels, whose size the canvas takes. */
function put(canvas, picture) {
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  if (picture instanceof ImageData) return canvas.getContext("2d").putImageData(picture, 0, 0);
  clear(canvas); // or the former picture would be seen through transparent parts
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
}

function clear(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}
