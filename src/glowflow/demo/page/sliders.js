// Sliders: each has a name, or a name for each end, shows its value, and can be reset.

import { Gestures } from "./gestures.js";

/** "Mouth_Open" as words: "Mouth Open". */
export function inWords(name) {
  return name.replaceAll("_", " ");
}

/** Make a slider: `onInput(value)` while it moves, `onChange(value, gesture)` when it's let go; see `Gestures`. */
export function slider(row, { value, onInput, onChange }) {
  const input = row.querySelector("input");
  const gestures = new Gestures(input);
  input.addEventListener("input", () => onInput(show(row, Number(input.value))));
  input.addEventListener("change", () => onChange(Number(input.value), gestures.current));
  const back = () => onChange(show(row, Number(input.defaultValue)), gestures.current);
  input.addEventListener("dblclick", back);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") back();
  });
  show(row, value);
  return row;
}

/** Let a slider show a value, and return the value. */
export function show(row, value) {
  const input = row.querySelector("input");
  const output = row.querySelector(".value"); // for the eye; screen readers get it from the input
  input.value = value;
  const [low, high] = [Number(input.min), Number(input.max)];
  const zero = Math.max(0, -low / (high - low));
  const share = (Number(input.value) - low) / (high - low);
  input.style.setProperty("--from", `${100 * Math.min(zero, share)}%`);
  input.style.setProperty("--to", `${100 * Math.max(zero, share)}%`);
  const text = Number(input.value).toFixed(2).replace("-", "−");
  if (output) output.textContent = text;
  input.setAttribute("aria-valuetext", text);
  row.classList.toggle("moved", Number(input.value) !== Number(input.defaultValue));
  row.classList.toggle("below", Number(input.value) < 0);
  return Number(input.value);
}
