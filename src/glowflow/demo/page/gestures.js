// Gestures: groups of changes of a control that are undone in one step. A press of the pointer is a gesture, and so is a
// double click. A key that is held, or pressed again and again, is a gesture, too.

const DOUBLE = 500; // milliseconds from one press of a pointer to the next that make them one
const TOGETHER = 1000; // milliseconds from one stroke of a key to the next

export class Gestures {
  #current = Symbol();
  #by = null;
  #time = -Infinity;

  constructor(element) {
    element.addEventListener("pointerdown", ({ timeStamp }) => this.#follow("pointer", timeStamp, DOUBLE));
    element.addEventListener("keydown", ({ key, timeStamp }) => this.#follow(key, timeStamp, TOGETHER));
  }

  /** The gesture of a change that happens now. A change without key or pointer, as by a screen reader, is one by itself. */
  get current() {
    if (performance.now() - this.#time > TOGETHER) this.#current = Symbol();
    return this.#current;
  }

  #follow(by, time, most) {
    if (by !== this.#by || time - this.#time > most) this.#current = Symbol();
    this.#by = by;
    this.#time = time;
  }
}
