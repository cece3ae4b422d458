// The levels of the latents: each stays as it is, is drawn again, or comes from the second image.

import { latentOf, someSeed } from "./images.js";
import { latest } from "./latest.js";
import { $, allow, commit, now, slices } from "./session.js";
import { attempt } from "./voice.js";

export function begin() {
  $("levels").closest("section").hidden = slices.length < 2;
  const groups = slices.map(({ shape: [channels, height, width] }, level) => {
    const group = $("level-template").content.cloneNode(true).firstElementChild;
    group.dataset.level = level;
    group.querySelector("b").textContent = group.ariaLabel = `Level ${level + 1}`;
    group.title = `${channels}×${height}×${width} numbers`;
    for (const button of group.querySelectorAll("button")) button.onclick = () => attempt(() => take(level, button.value));
    return group;
  });
  $("levels").append(...groups.reverse());
}

export function render({ levels, other }) {
  for (const group of $("levels").children) {
    for (const button of group.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.value === levels[group.dataset.level].take);
      allow(button, button.value !== "other" || other);
    }
  }
}

async function take(level, value) {
  const taken = await latest(`level ${level}`, value === "drawn" ? drawnLevel(someSeed()) : { take: value });
  if (taken) commit({ levels: now().levels.with(level, taken) });
}

/** A level that is drawn again, from a seed. */
export async function drawnLevel(seed) {
  return { take: "drawn", seed, eps: await latentOf(seed) };
}
