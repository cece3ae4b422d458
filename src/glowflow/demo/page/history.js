// What was done, to take it back. States are never changed, so that keeping one is keeping a reference.

const MOST = 100;
const TOGETHER = 1000; // milliseconds within which changes by the same control are one

/** Whether two states, or parts of them, say the same. */
function isSame(one, other) {
  if (one === other) return true;
  if (!(one instanceof Object && other instanceof Object)) return false;
  if (ArrayBuffer.isView(one)) return one.every((value, i) => value === other[i]);
  return Object.keys({ ...one, ...other }).every((key) => isSame(one[key], other[key]));
}

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

  /**
   * Go on with a new state; several in a row by the same control, as by an arrow key that's held, are undone as one, and
   * one that is no other than that before it is none.
   */
  commit(state, control) {
    const time = performance.now();
    const joins = control && control === this.#last.control && time - this.#last.time < TOGETHER && this.canUndo;
    const before = this.#states.slice(0, this.#position + (joins ? 0 : 1));
    const isNew = !isSame(before.at(-1), state);
    if (!isNew && !joins) return;
    this.#states = isNew ? [...before, state].slice(-MOST) : before;
    this.#position = this.#states.length - 1;
    this.#last = { control: isNew ? control : null, time };
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
