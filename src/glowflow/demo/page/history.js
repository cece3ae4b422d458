// The states so far, for undo and redo. A state is never changed, so a reference to it is enough to keep it.

import { isSame } from "./same.js";

const MOST = 100; // states

export class History {
  #states;
  #position = 0;
  #gesture = null; // the gesture that led to the state now

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
   * Take a new state. Each is a step to undo, except that the states of one gesture (see `Gestures`) are one step
   * together, and a state that equals the one before is no step.
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
