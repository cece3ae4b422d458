// Blending two images: a slider from one to the other, which can also play.

import { example, examples, presentImage, random, someSeed } from "./images.js";
import { blendIn } from "./choosing.js";
import { latest } from "./latest.js";
import { Playing } from "./playing.js";
import { $, allow, commit, now, preview } from "./session.js";
import { show, slider } from "./sliders.js";
import { canSwap, swapped, withoutSecond } from "./state.js";
import { attempt } from "./voice.js";

const playing = new Playing({ onMove: move, onChange: renderButton });

export function begin() {
  $("random-second").onclick = () => attempt(drawSecond);
  $("remove-second").onclick = () => commit(withoutSecond(now()));
  $("swap").onclick = () => commit(swapped(now()));
  $("play").onclick = () => attempt(playOrPause);
  for (const input of document.querySelectorAll("input[name=path]")) input.onchange = () => commit({ path: input.value });
  slider($("blend-row"), {
    value: 0,
    onInput: (blend) => {
      playing.pause();
      preview({ blend });
    },
    onChange: (blend, gesture) => commit({ blend }, gesture),
  });
}

export function render(state) {
  const { face, other, blend, path } = state;
  playing.pause(); // a change keeps the blend that is shown
  show($("blend-row"), blend);
  $("blend").disabled = !other;
  allow($("remove-second"), other);
  allow($("swap"), canSwap(state));
  document.querySelector(`input[name=path][value=${path}]`).checked = true;
  $("second-thumb").classList.toggle("empty", !other);
  $("second-thumb").setAttribute("aria-label", other ? `Second image: ${other.name}` : "No second image yet");
  presentImage($("first-thumb"), face);
  if (other) presentImage($("second-thumb"), other);
}

async function drawSecond() {
  const image = await latest("other", random(someSeed(), now().temperature));
  if (image) blendIn(image);
}

/** Play, with another image if there is none; or pause, and keep the blend that is shown. */
async function playOrPause() {
  if (playing.isOn) return commit({ blend: Number($("blend").value) });
  if (!now().other) {
    const image = await latest("other", anyOther());
    if (!image) return;
    blendIn(image);
  }
  playing.play(now().blend);
}

function anyOther() {
  const numbers = examples.map((_, number) => number).filter((number) => number !== now().face.example);
  if (!numbers.length) return random(someSeed(), now().temperature);
  return example(numbers[Math.floor(Math.random() * numbers.length)], now().label);
}

function move(share) {
  const blend = Math.round(1000 * share) / 1000;
  show($("blend-row"), blend);
  preview({ blend });
}

function renderButton(isOn) {
  $("play").classList.toggle("playing", isOn);
  $("play").querySelector("span").textContent = isOn ? "Pause" : "Play";
}
