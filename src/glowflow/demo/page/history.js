// What was done, to take it back. States are never changed, so that keeping one is keeping a reference.

const MOST = 100;
const TOGETHER = 1000; // milliseconds within which changes by the same control are one

export class History {
  #states;
  #position = 0;
  #last = { control: null, time: 0 };

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

  /** Go on with a new state; several in a row by the same control, as by an arrow key that's held, are undone as one. */
  commit(state, control) {
    const time = performance.now();
    const joins = control && control === this.#last.control && time - this.#last.time < TOGETHER && this.canUndo;
    this.#states = [...this.#states.slice(0, this.#position + (joins ? 0 : 1)), state].slice(-MOST);
    this.#position = this.#states.length - 1;
    this.#last = { control, time };
  }

  undo() {
    this.#go(-1);
  }

  redo() {
    this.#go(1);
  }

  #go(step) {
    this.#position = Math.min(Math.max(this.#position + step, 0), this.#states.length - 1);
    this.#last = { control: null, time: 0 };
  }
}
