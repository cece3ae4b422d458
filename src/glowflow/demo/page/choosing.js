// Choosing an image, to edit or to blend in: one of the examples, a random one, or the visitor's own.

import { decode } from "./engine.js";
import { bits, reconstruction, STRANGE, verdict } from "./facts.js";
import { takesDrops, takesFiles, takesPastes } from "./files.js";
import { encoded, example, exampleName, examples, opened, random, someSeed } from "./images.js";
import { latest } from "./latest.js";
import { present } from "./painter.js";
import { isSame } from "./same.js";
import { $, commit, model, now, preview, slices } from "./session.js";
import { show, slider } from "./sliders.js";
import { unedited, USUAL_TEMPERATURE, warmed } from "./state.js";
import { thumbButton } from "./thumb.js";
import { attempt, say } from "./voice.js";

export const NUM_RANDOM = 12;

let strip = {}; // what the pictures of random images show: {first, temperature, label}

export function begin() {
  $("examples-title").hidden = !examples.length;
  $("examples").replaceChildren(...examples.map(exampleButton));
  $("others").onclick = () => commit({ first: someSeed() });
  slider($("temperature-row"), {
    value: USUAL_TEMPERATURE,
    onInput: (temperature) => preview(warmed(now(), temperature)),
    onChange: (temperature, gesture) => commit(warmed(now(), temperature), gesture),
  });
  const takeFirst = ([file, ...more]) => attempt(async () => {
    await choose(() => (/\.f(64|32)$/.test(file.name) ? opened(file) : encoded(file)));
    if (more.length) say(`Only ${file.name} was read: one image is opened at a time.`);
  });
  takesFiles($("upload"), takeFirst);
  takesFiles($("latents-file").parentElement, takeFirst);
  takesDrops(document.documentElement, takeFirst);
  takesPastes(takeFirst);
}

export function render({ face, first, temperature, label }) {
  show($("temperature-row"), temperature);
  if (strip.first !== first) fillStrip(first);
  mark($("strip"), face.seed);
  mark($("examples"), face.example);
  if (isSame(strip, { first, temperature, label })) return;
  const mine = (strip = { first, temperature, label });
  attempt(async () => {
    await Promise.all([...$("strip").children].map((_, i) => drawRandom(i, mine))).catch((error) => {
      if (strip === mine) strip = { first }; // so that they are drawn the next time
      throw error;
    });
  });
}

/** Show which button's image is the one to edit. */
function mark(group, value) {
  for (const button of group.children) button.setAttribute("aria-pressed", Number(button.value) === value);
}

function exampleButton({ picture }, number) {
  const action = () => attempt(() => choose((isSecond) => chosenExample(number, isSecond)));
  const button = thumbButton(number, exampleName(number), action);
  attempt(() => present(button.firstElementChild, number, Promise.resolve(picture)));
  return button;
}

/** An example, of its own class if it's the one to edit, and otherwise of the class that is shown. */
function chosenExample(number, isSecond) {
  return isSecond ? example(number, now().label) : example(number);
}

/** Draw one of the random images, wherever the page offers it. */
async function drawRandom(index, mine) {
  const { z } = await random(mine.first + index, mine.temperature);
  if (strip !== mine) return;
  const picture = decode(Float32Array.from(z), mine.label);
  await picture.catch(() => null); // until then the picture at the former temperature stays
  if (strip !== mine) return;
  const canvases = ["strip", "offers"].map((id) => $(id).children[index].firstElementChild);
  await Promise.all(canvases.map((canvas) => present(canvas, mine.first + index, picture)));
}

function fillStrip(first) {
  const seeds = Array.from({ length: NUM_RANDOM }, (_, i) => first + i);
  const action = (seed) => () => attempt(() => choose(() => random(seed, now().temperature)));
  $("strip").replaceChildren(...seeds.map((seed) => thumbButton(seed, `Random image ${seed}`, action(seed))));
}

/** Take an image, to edit or to blend in, as the visitor chose; the image that was chosen last counts. */
async function choose(get) {
  const role = document.querySelector("input[name=role]:checked").value;
  const image = await latest(role, get(role === "other"));
  if (!image) return;
  if (role === "other") blendIn(image);
  else edit(image);
}

function edit(image) {
  const itsClass = image.example === null ? {} : { label: examples[image.example].label };
  commit({ ...unedited(image, slices.length), ...itsClass });
  say(image.facts ? `${image.name}: ${judgement(image.facts)}` : "", "unseen"); // it is visible beside the picture
}

export function blendIn(image) {
  commit({ other: image, blend: now().blend || 0.5 });
  say(`${image.name} is the second image. ${image.facts ? judgement(image.facts) : ""}`);
}

function judgement(facts) {
  const { text, isUnusual } = verdict(facts, model.usual);
  return [bits(facts, model.usual), reconstruction(facts), text, isUnusual ? STRANGE : ""].join(" ");
}
