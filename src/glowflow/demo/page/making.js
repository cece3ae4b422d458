// Making a slider of one's own, from images with and without something.

import { takesFiles } from "./files.js";
import { encoded, named, presentImage, random, someSeed } from "./images.js";
import { difference } from "./latents.js";
import { NUM_RANDOM } from "./choosing.js";
import { isSame } from "./same.js";
import { $, allow, commit, compose, directions, now } from "./session.js";
import { nameOf } from "./state.js";
import { thumbButton } from "./thumb.js";
import { attempt, say } from "./voice.js";

const MOST_IN_HANDFUL = 50;

const listed = new WeakMap(); // list -> the images that it shows
let offered; // the seed of the first random image that is offered

export function begin() {
  for (const side of Object.keys(now().handfuls)) takesFiles($(side), (files) => attempt(() => gather(side, files)));
  $("other-examples").onclick = () => commit({ first: someSeed() });
  $("take-shown").onclick = () => attempt(() => take(named(nameOf(now()), compose(now()))));
  $("take-second").onclick = () => attempt(() => take(now().other));
  $("make-name").oninput = () => render(now());
  $("make").onsubmit = (event) => {
    event.preventDefault();
    attempt(makeSlider);
  };
}

export function render({ handfuls, other, first }) {
  if (offered !== first) offer(first);
  for (const [side, images] of Object.entries(handfuls)) renderHandful($(side).querySelector("ul"), side, images);
  allow($("take-second"), other);
  const isReady = handfuls.with.length && handfuls.without.length && $("make-name").value.trim();
  $("make").querySelector("button").disabled = !isReady;
}

/** Offer the random images that can be chosen; their pictures come with those (choosing.js). */
function offer(first) {
  offered = first;
  const seeds = Array.from({ length: NUM_RANDOM }, (_, i) => first + i);
  const action = (seed) => () => attempt(async () => take(await random(seed, now().temperature)));
  $("offers").replaceChildren(...seeds.map((seed) => thumbButton(seed, `Take random image ${seed}`, action(seed))));
}

/** Read files as examples. */
async function gather(side, files) {
  const gesture = Symbol();
  const taken = files.slice(0, MOST_IN_HANDFUL - now().handfuls[side].length);
  const numLeft = files.length - taken.length;
  const problems = numLeft ? [`At most ${MOST_IN_HANDFUL} images are taken: ${numLeft} of these were left out.`] : [];
  for (const [i, file] of taken.entries()) {
    try {
      put(side, await encoded(file), gesture);
      say(`${i + 1} of ${taken.length} images read.`);
    } catch (error) {
      problems.push(error.message);
    }
  }
  if (problems.length) throw new Error(problems.join(" "));
}

/** Take an image of the page, with or without the attribute as the visitor chose. */
function take(image) {
  const side = document.querySelector("input[name=side]:checked").value;
  put(side, image);
  const { length } = now().handfuls[side];
  say(`${image.name} is among the images ${side} it: ${length} so far.`);
}

function put(side, image, gesture) {
  const { handfuls } = now();
  if (handfuls[side].some(({ z }) => isSame(z, image.z))) {
    throw new Error(`${image.name} is already among the images ${side} it.`);
  }
  if (handfuls[side].length === MOST_IN_HANDFUL) {
    throw new Error(`${image.name} was left out: at most ${MOST_IN_HANDFUL} images are taken.`);
  }
  commit({ handfuls: { ...handfuls, [side]: [...handfuls[side], image] } }, gesture);
}

function renderHandful(list, side, images) {
  if (listed.get(list) === images) return;
  listed.set(list, images);
  list.replaceChildren(...images.map((image) => takenItem(side, image)));
}

function takenItem(side, image) {
  const item = document.createElement("li");
  const button = thumbButton("", `Take ${image.name} out`, () => {
    const { handfuls } = now();
    commit({ handfuls: { ...handfuls, [side]: handfuls[side].filter((other) => other !== image) } });
    ($(side).querySelector("li button") ?? $(side).querySelector("input")).focus(); // its own button is gone
  });
  presentImage(button.firstElementChild, image, image.facts?.pictureSeen);
  item.append(button);
  return item;
}

function makeSlider() {
  const { handfuls, own } = now();
  const name = $("make-name").value.trim();
  if (directions.has(name)) throw new Error(`There is, or was, a slider called ${name}: choose another name.`);
  const [having, without] = [handfuls.with, handfuls.without].map((images) => images.map(({ z }) => z));
  directions.set(name, difference(having, without));
  $("make-name").value = "";
  commit({ own: [...own, name], handfuls: { with: [], without: [] } });
  $("own").querySelector(".own:last-child input").focus();
  say(`The slider ${name} is now at the top of the attributes.`);
}
