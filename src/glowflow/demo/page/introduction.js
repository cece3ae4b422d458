// What the page says about the model, and what of the page fits it.

import { LACKS, onDrawing, WHERE } from "./engine.js";
import { LARGE } from "./painter.js";
import { $, commit, model } from "./session.js";

export function begin() {
  $("where").textContent = WHERE;
  onDrawing((sentence) => ($("drawing").textContent = sentence));
  for (const id of LACKS) $(id).hidden = true;
  const [, height, width] = model.image_shape;
  $("about").textContent = about();
  document.title = `${model.name} · glowflow`;
  document.documentElement.style.setProperty("--aspect", `${width} / ${height}`);
  $("file").accept = model.limits.types.join();
  for (const input of $("making").querySelectorAll("input[type=file]")) {
    input.accept = model.limits.types.join();
    input.disabled = !model.takes_images;
  }
  $("upload").hidden = !model.takes_images;
  $("align-row").hidden = !model.finds_faces;
  $("class-choice").hidden = !model.class_names.length;
  $("class").append(...model.class_names.map((name, i) => new Option(name, i)));
  $("class").onchange = () => commit({ label: Number($("class").value) });
  $("save-large").hidden = Math.min(width, height) >= LARGE;
}

export function render({ label }) {
  if (label !== null) $("class").value = label;
}

function about() {
  const [channels, height, width] = model.image_shape;
  const size = `${width}×${height}${channels === 1 ? " grey" : channels === 3 ? "" : `×${channels}`}`;
  const parameters = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(model.num_parameters);
  const shows = model.shows ? ` (${model.shows})` : "";
  const trained = model.usual.data ? `, trained on ${model.usual.data}${shows}` : "";
  return `${model.name}: ${size} pixels, ${model.num_bits} bits per value, ${parameters} parameters${trained}`;
}
