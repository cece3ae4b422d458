// What was done, to take it back. States are never changed, so that keeping one is keeping a reference.

import { isSame } from "./same.js";

const MOST = 100;

export class History {
  #states;
  #position = 0;
  #gesture = null; // that the state now comes from

  constructor(state) {
    this.#states = [state];
  }

  get now() {
    return this.#states[this.#position];
  }

  get canUndo() {
    return this.#position > 0;
  }

  get canRedo() {
    return this.#position < this.#states.length - 1;
  }

  /**
   * Go on with a new state. Each is a step to undo, but those of one gesture (see `Gestures`), which are one together;
   * a state that is no other than that before it is none.
   */
  commit(state, gesture = null) {
    const joins = gesture !== null && gesture === this.#gesture;
    const before = this.#states.slice(0, this.#position + (joins ? 0 : 1));
    const isNew = !isSame(before.at(-1), state);
    if (!isNew && !joins) return;
    this.#states = isNew ? [...before, state].slice(-MOST) : before;
    this.#position = this.#states.length - 1;
    this.#gesture = isNew ? gesture : null;
  }

  undo() {
    this.#go(-1);
  }

  redo() {
    this.#go(1);
  }

  #go(step) {
    this.#position = Math.min(Math.max(this.#position + step, 0), this.#states.length - 1);
    this.#gesture = null;
  }
}
