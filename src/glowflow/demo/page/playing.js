// A number that moves from 0 to 1 and back, smoothly; in a few still steps if the visitor wants little motion.

const THERE_AND_BACK = 8000; // milliseconds
const STEPS = 4; // from 0 to 1, without motion
const STEP = 1500; // milliseconds

export class Playing {
  #began = null; // the time at which the number was 0, or null
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param onMove takes the number; @param onChange takes true when it begins to move and false when it stops */
  constructor({ onMove, onChange }) {
    this.onMove = onMove;
    this.onChange = onChange;
  }

  get isOn() {
    return this.#began !== null;
  }

  /** Move on from a number. */
  play(from) {
    const phase = Math.acos(1 - 2 * from) / Math.PI; // the inverse of `shareAt`
    this.#began = performance.now() - (phase * this.#period) / 2;
    this.onChange(true);
    this.#follow(this.#began);
  }

  pause() {
    if (!this.isOn) return;
    this.#began = null;
    this.onChange(false);
  }

  get #period() {
    return this.#still.matches ? 2 * STEPS * STEP : THERE_AND_BACK;
  }

  #follow(mine) {
    if (this.#began !== mine) return;
    const share = shareAt((performance.now() - mine) / this.#period);
    this.onMove(this.#still.matches ? Math.round(STEPS * share) / STEPS : share);
    const next = () => this.#follow(mine);
    if (this.#still.matches) setTimeout(next, STEP);
    else requestAnimationFrame(next);
  }
}

/** The number at a time, counted in periods: slow at both ends. */
function shareAt(time) {
  return (1 - Math.cos(2 * Math.PI * time)) / 2;
}
