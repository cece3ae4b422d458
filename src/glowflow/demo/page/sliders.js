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
  let isMoving = false;
  const letGo = () => {
    isMoving = false;
    onChange(Number(input.value), gestures.current);
  };
  input.addEventListener("input", () => {
    isMoving = true;
    onInput(show(row, Number(input.value)));
  });
  input.addEventListener("change", letGo);
  for (const type of ["keyup", "blur"]) input.addEventListener(type, () => isMoving && letGo()); // Firefox may not tell of a change
  const back = () => onChange(show(row, Number(input.defaultValue)), gestures.current);
  input.addEventListener("dblclick", back);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") back();
  });
  show(row, value);
  return row;
}

/** Mark the part of a slider, from one value to another, with which most edited images stay usual. */
export function setRange(row, [least, most]) {
  const input = row.querySelector("input");
  row.classList.add("ranged");
  row.dataset.least = least;
  row.dataset.most = most;
  input.style.setProperty("--least", `${100 * shareOf(input, least)}%`);
  input.style.setProperty("--most", `${100 * shareOf(input, most)}%`);
  const range = `Most images stay usual from ${written(least)} to ${written(most)}`;
  row.title = least < most ? range : "Few images stay usual when this slider moves";
}

/** Let a slider show a value, and return the value. */
export function show(row, value) {
  const input = row.querySelector("input");
  const output = row.querySelector(".value"); // for the eye; screen readers get it from the input
  input.value = value;
  const number = Number(input.value);
  const [zero, share] = [Math.max(0, shareOf(input, 0)), shareOf(input, number)];
  input.style.setProperty("--from", `${100 * Math.min(zero, share)}%`);
  input.style.setProperty("--to", `${100 * Math.max(zero, share)}%`);
  const isBeyond = number < Number(row.dataset.least ?? -Infinity) || number > Number(row.dataset.most ?? Infinity);
  if (output) output.textContent = written(number);
  input.setAttribute("aria-valuetext", `${written(number)}${isBeyond ? ", further than usual" : ""}`);
  row.classList.toggle("moved", number !== Number(input.defaultValue));
  row.classList.toggle("below", number < 0);
  row.classList.toggle("beyond", isBeyond);
  return number;
}

/** The place of a value on a slider, from 0 to 1. */
function shareOf({ min, max }, value) {
  return (value - Number(min)) / (Number(max) - Number(min));
}

function written(value) {
  return value.toFixed(2).replace("-", "−");
}
