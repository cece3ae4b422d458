// Before and after: a handle that wipes over the picture. The image before its edits is at its left, the edited one at its right.

import { presentImage } from "./images.js";
import { $, allow, now, painter } from "./session.js";
import { isEdited, subjectOf } from "./state.js";

const MIDDLE = 50; // percent

export function begin() {
  $("compare").onclick = () => turn(!isOn());
  $("wipe").addEventListener("input", place);
  $("picture").addEventListener("turned", () => render(now()));
}

export function render(state) {
  const isPossible = isEdited(state) && painter.isOf(subjectOf(state.face));
  allow($("compare"), isEdited(state));
  if (!isPossible) turn(false);
  if (isOn()) presentImage($("before"), state.face);
}

function isOn() {
  return $("compare").getAttribute("aria-pressed") === "true";
}

function turn(isShown) {
  $("compare").setAttribute("aria-pressed", isShown);
  $("comparison").hidden = !isShown;
  if (!isShown) return;
  presentImage($("before"), now().face);
  $("wipe").value = MIDDLE;
  place();
  $("wipe").focus({ preventScroll: true });
}

function place() {
  const share = $("wipe").value;
  $("comparison").style.setProperty("--share", `${share}%`);
  $("wipe").setAttribute("aria-valuetext", `${share}% of the picture is before the edits`);
}
