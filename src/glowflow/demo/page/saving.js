// Saving what is shown as a file.

import { animate, decode } from "./engine.js";
import { save } from "./files.js";
import { enlarged } from "./painter.js";
import { $, compose, model, now } from "./session.js";
import { isEdited } from "./state.js";
import { attempt, say } from "./voice.js";

const KINDS = {
  "save-picture": [".png", () => shown()],
  "save-large": ["-large.png", async () => enlarged(await shown())],
  "save-latents": [".f64", () => new Blob([compose(now())])],
  "save-animation": [".webp", animation],
};

export function begin() {
  for (const [id, [ending, made]] of Object.entries(KINDS)) {
    $(id).onclick = () => {
      closeMenu();
      attempt(() => saveAs(`${fileName()}${ending}`, made));
    };
  }
  document.addEventListener("click", (event) => {
    if (!$("downloads").contains(event.target)) $("downloads").open = false;
  });
  document.addEventListener("keydown", ({ key }) => key === "Escape" && $("downloads").open && closeMenu());
}

function closeMenu() {
  $("downloads").open = false;
  $("downloads").querySelector("summary").focus();
}

/** The name of files of the image, without the ending. */
function fileName() {
  const { seed, name } = now().face;
  return `${model.name}-${seed ?? name.replace(/\.[^.]*$/, "")}`;
}

async function saveAs(name, made) {
  save(await made(), name);
  say(`Saved as ${name}, where this browser puts downloads.`);
}

function shown() {
  return decode(compose(now()), now().label);
}

async function animation() {
  const state = now();
  if (!isEdited(state) && !state.other) throw new Error("Edit the image first: the animation goes from before to after.");
  const [from, to] = state.other
    ? [compose({ ...state, blend: 0 }), compose({ ...state, blend: 1 })]
    : [state.face.z, compose(state)];
  say("Drawing the animation …", "working");
  return animate(from, to, state.path, state.label);
}
