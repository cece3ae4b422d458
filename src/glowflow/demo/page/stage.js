// The large picture: its actions, what it is, and the light around it.

import { titleOf } from "./attributes.js";
import { description, leaving } from "./facts.js";
import { pictureOf } from "./images.js";
import { $, allow, canRedo, canUndo, commit, model, now, painter, redo, slices, undo } from "./session.js";
import { isEdited, nameOf, subjectOf, unedited } from "./state.js";
import { attempt } from "./voice.js";

export function begin() {
  $("undo").onclick = undo;
  $("redo").onclick = redo;
  $("reset").onclick = () => commit(unedited(now().face, slices.length));
  $("picture").addEventListener("shown", ({ detail }) => {
    if (!detail.isSettled) return;
    lightUp();
    attempt(() => renderLeaving(detail));
  });
  $("picture").addEventListener("turned", () => {
    lightUp();
    describe(now());
  });
  document.addEventListener("keydown", shortcut);
  document.addEventListener("click", (event) => isRefused(event) && event.stopPropagation(), { capture: true });
}

export function render(state) {
  allow($("undo"), canUndo());
  allow($("redo"), canRedo());
  allow($("reset"), isEdited(state));
  if (painter.isOf(subjectOf(state.face))) describe(state);
}

/** Describe the picture that is shown. */
function describe(state) {
  const edits = Object.entries(state.strengths).map(([name, strength]) => [titleOf(name), strength]);
  $("picture").setAttribute("aria-label", nameOf(state));
  $("title").textContent = state.face.name;
  $("description").textContent = description(state, edits);
}

/** Warn if the edits of a state led its picture out of the usual range. */
async function renderLeaving({ state, picture }) {
  const pictures = isEdited(state) ? await Promise.all([pictureOf(state.face, state.label), picture]) : [];
  const [before, after] = await Promise.all(pictures.map((each) => each.unusual()));
  if (state !== now()) return; // its own picture follows
  const text = after ? leaving(before, after, model.excess) : "";
  $("leaving").hidden = !text;
  $("leaving").textContent = text;
}

function isRefused(event) {
  return event.target.closest?.("[aria-disabled=true]");
}

function shortcut(event) {
  const isText = event.target.matches?.("input[type=text]"); // it has an undo of its own
  if (isText || !(event.ctrlKey || event.metaKey)) return;
  const key = event.key.toLowerCase();
  const action = key === "y" || (key === "z" && event.shiftKey) ? redo : key === "z" ? undo : null;
  if (!action) return;
  event.preventDefault();
  action();
}

/** Give the light around the image the image's colours. */
function lightUp() {
  const { width, height } = $("ambience");
  const context = $("ambience").getContext("2d");
  context.clearRect(0, 0, width, height);
  context.drawImage($("picture"), 0, 0, width, height);
}
