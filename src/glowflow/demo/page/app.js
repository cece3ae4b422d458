// The page: its parts, and what happens when a visitor acts. What is shown follows from one state (state.js).

import { animate, decode, encode, getDirections, getLatent, getModel, LACKS, WHERE } from "./engine.js";
import { description, gauge, leaving, measure, warning } from "./facts.js";
import { readLatents, reduced, save, takesDrops, takesFiles, takesPastes, typed } from "./files.js";
import { History } from "./history.js";
import { latest } from "./latest.js";
import { difference, levelSlices, scaled } from "./latents.js";
import { fromHash, toHash } from "./link.js";
import { keep, recalled } from "./own.js";
import { enlarged, LARGE, Painter, present } from "./painter.js";
import { isSame } from "./same.js";
import { inWords, show, slider } from "./sliders.js";
import { canSwap, composed, edited, isEdited, nameOf, subjectOf, swapped, unedited, warmed, withoutSecond } from "./state.js";
import { attempt, complain, say } from "./voice.js";

const USUAL_TEMPERATURE = 0.7;
const NUM_RANDOM = 12;
const MOST_SEEDS = 2 ** 31;
const MOST_IN_HANDFUL = 50;

const $ = (id) => document.getElementById(id);

let model, slices, numDims, past, painter;
const directions = new Map(); // attribute -> its vector (D,); deleted ones stay, for undo
const rows = new Map(); // attribute -> its slider {row, valueOf}; valueOf(strengths) is its value
const latents = new Map(); // seed -> promise of its latents, for the latest few seeds
const pictures = new WeakMap(); // image -> Map of class -> promise of its Blob
let strip = {}; // what its pictures show: {first, temperature, label}
let kept; // names of the visitor's own sliders that survive a reload

begin().catch((error) => {
  $("about").textContent = error.message;
});

async function begin() {
  model = await getModel();
  slices = levelSlices(model.latent_shapes);
  numDims = slices.at(-1).end;
  const vectors = await getDirections(numDims);
  model.attributes.forEach(({ name }, i) => directions.set(name, vectors[i]));
  for (const [name, vector] of recalled(model.name, numDims)) if (!directions.has(name)) directions.set(name, vector);
  painter = new Painter($("picture"), complain);
  introduce();
  buildSliders();
  buildLevels();
  const { change, ignored } = await linked();
  past = new History({ ...(await freshState()), ...change });
  listen();
  render();
  if (ignored) say(ignored, "problem");
}

/* What is shown */

async function freshState() {
  const first = someSeed();
  const known = model.attributes.map(({ name }) => name);
  return {
    ...unedited(await random(first, USUAL_TEMPERATURE), slices.length),
    other: null,
    path: "linear",
    temperature: USUAL_TEMPERATURE,
    label: model.class_names.length ? 0 : null,
    first,
    own: [...directions.keys()].filter((name) => !known.includes(name)),
    handfuls: { with: [], without: [] },
  };
}

/** The latents of a state's picture. */
function compose(state) {
  return composed(state, slices, directions);
}

/** The sliders that aren't at 0: pairs of a name, in words, and a strength. */
function editsOf({ strengths }) {
  return Object.entries(strengths).map(([name, strength]) => [titleOf(name), strength]);
}

function titleOf(attribute) {
  return model.attributes.some(({ name }) => name === attribute) ? inWords(attribute) : attribute;
}

function preview(change) {
  const state = { ...past.now, ...change };
  painter.show(compose(state), state.label, false, subjectOf(state.face));
}

/** Make a change. The changes of a gesture are undone in one step. */
function commit(change, gesture) {
  past.commit({ ...past.now, ...change }, gesture);
  render();
}

function render() {
  const state = past.now;
  painter.show(compose(state), state.label, true, subjectOf(state.face));
  $("compare").setAttribute("aria-pressed", "false");
  allow($("undo"), past.canUndo);
  allow($("redo"), past.canRedo);
  for (const id of ["reset", "compare"]) allow($(id), isEdited(state));
  if (painter.isOf(subjectOf(state.face))) describe(state);
  renderBlend(state);
  renderLevels(state);
  renderOwn(state);
  rows.forEach(({ row, valueOf }) => show(row, valueOf(state.strengths)));
  show($("temperature-row"), state.temperature);
  renderStrip(state);
  renderMaking(state);
  if (state.label !== null) $("class").value = state.label;
  const hash = toHash(state, model.attributes.map(({ name }) => name));
  window.history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

/** Describe the picture that is shown. */
function describe(state) {
  $("picture").setAttribute("aria-label", nameOf(state));
  $("description").textContent = description(state, editsOf(state));
  renderFacts(state.face);
}

function renderFacts(face) {
  $("title").textContent = face.name;
  const { facts } = face;
  for (const id of ["thumbs", "measure"]) $(id).hidden = !facts;
  const text = facts ? warning(facts, model.usual) : "";
  $("warning").hidden = !text;
  $("warning").textContent = text;
  const places = facts && gauge(facts, model.usual);
  $("gauge").hidden = !places;
  if (!facts) return;
  $("measure").textContent = measure(facts, model.usual);
  presentImage($("seen"), face, facts.pictureSeen);
  presentImage($("reconstructed"), face, pictureOf(face, facts.label));
  if (!places) return;
  $("gauge").setAttribute("aria-label", places.text);
  $("gauge").title = places.text;
  $("usual-range").style.setProperty("--from", `${100 * places.start}%`);
  $("usual-range").style.setProperty("--to", `${100 * places.end}%`);
  $("marker").style.setProperty("--at", `${100 * places.at}%`);
}

/** Warn if edits led the picture that is shown out of the usual range. */
async function renderLeaving(picture) {
  const state = past.now;
  const pictures = isEdited(state) ? await Promise.all([pictureOf(state.face), picture]) : [];
  const [before, after] = await Promise.all(pictures.map((each) => each.unusual()));
  const text = after ? leaving(before, after, model.excess) : "";
  if (state !== past.now) return;
  $("leaving").hidden = !text;
  $("leaving").textContent = text;
}

/** Allow a button or not. Unlike a disabled button, one that isn't allowed keeps the keyboard's focus. */
function allow(button, isAllowed) {
  button.setAttribute("aria-disabled", !isAllowed);
}

function isRefused(event) {
  return event.target.closest?.("[aria-disabled=true]");
}

function presentImage(canvas, image, picture = pictureOf(image)) {
  attempt(() => present(canvas, subjectOf(image), picture));
}

function renderBlend({ face, other, blend, path }) {
  show($("blend").parentElement, blend);
  $("blend").disabled = !other;
  allow($("remove-second"), other);
  allow($("swap"), canSwap(past.now));
  document.querySelector(`input[name=path][value=${path}]`).checked = true;
  $("second-thumb").classList.toggle("empty", !other);
  $("second-thumb").setAttribute("aria-label", other ? `Second image: ${other.name}` : "No second image yet");
  presentImage($("first-thumb"), face);
  if (other) presentImage($("second-thumb"), other);
}

function renderLevels({ levels, other }) {
  for (const group of $("levels").children) {
    for (const button of group.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.value === levels[group.dataset.level].take);
      allow(button, button.value !== "other" || other);
    }
  }
}

/* Images */

async function random(seed, temperature) {
  const eps = await latentOf(seed);
  return { name: `Random image ${seed}`, seed, temperature, eps, z: scaled(eps, temperature), facts: null };
}

function latentOf(seed) {
  const found = cached(latents, seed, () => getLatent(seed));
  latents.delete(seed); // the latest goes last
  latents.set(seed, found);
  if (latents.size > 4 * NUM_RANDOM) latents.delete(latents.keys().next().value);
  return found;
}

function someSeed() {
  return Math.floor(Math.random() * MOST_SEEDS);
}

/** The promise of an image's picture for a class. */
function pictureOf(image, label = past.now.label) {
  if (!pictures.has(image)) pictures.set(image, new Map());
  return cached(pictures.get(image), label, () => decode(Float64Array.from(image.z), label));
}

/** The promise in a cache, or a new one. A promise that fails is removed, so that it is made again when needed. */
function cached(cache, key, get) {
  if (!cache.has(key)) {
    cache.set(key, get());
    cache.get(key).catch(() => cache.delete(key));
  }
  return cache.get(key);
}

/** Take a promised image, to edit or to blend in, as the visitor chose; the image that was chosen last counts. */
async function choose(promise) {
  const role = document.querySelector("input[name=role]:checked").value;
  const image = await latest(role, promise);
  if (!image) return;
  if (role === "other") blendIn(image);
  else edit(image);
}

function edit(image) {
  commit(unedited(image, slices.length));
  say(image.facts ? `${image.name}: ${judgement(image.facts)}` : "", "unseen"); // it is visible beside the picture
}

function blendIn(image) {
  commit({ other: image, blend: past.now.blend || 0.5 });
  say(`${image.name} is the second image. ${image.facts ? judgement(image.facts) : ""}`);
}

function judgement(facts) {
  return `${measure(facts, model.usual)} ${warning(facts, model.usual)}`;
}

async function encoded(given) {
  if (!model.takes_images) throw new Error("No image file has as many channels as this model's images.");
  const file = await typed(given);
  if (!model.limits.types.includes(file.type)) {
    throw new Error(`${file.name} isn't a kind of image that can be read: use a PNG, a JPEG or a WebP.`);
  }
  say(`Reading ${file.name} …`, "working");
  const { body, width, height } = await reduced(file);
  if (body.size > model.limits.bytes) {
    throw new Error(`${file.name} is larger than ${Math.round(model.limits.bytes / 1e6)} MB.`);
  }
  const fits = height === model.image_shape[1] && width === model.image_shape[2]; // then it is cut already
  const { label } = past.now;
  const { z, seen, ...facts } = await encode(body, label, $("align").checked && !fits).catch((error) => {
    throw new Error(`${file.name}: ${error.message}`);
  });
  const image = { name: file.name, seed: null, temperature: null, eps: null, z };
  return { ...image, facts: { ...facts, label, pictureSeen: Promise.resolve(seen) } };
}

async function opened(file) {
  const z = await readLatents(file, numDims);
  return { name: file.name, seed: null, temperature: null, eps: null, z, facts: null };
}

/** Read the address: a change of the state, and a sentence about the parts that are ignored. */
async function linked() {
  const names = model.attributes.map(({ name }) => name);
  const { state, ignored } = fromHash(location.hash, names, slices.length, model.class_names.length);
  if (!state) return { change: {}, ignored };
  const face = await random(state.face.seed, state.face.temperature);
  const other = state.other && (await random(state.other.seed, state.other.temperature));
  const levels = await Promise.all(state.levels.map(async (l) => (l.seed === undefined ? l : drawnLevel(l.seed))));
  return { change: { ...state, face, other, levels, temperature: face.temperature }, ignored };
}

async function follow() {
  if (document.getElementById(location.hash.slice(1))) return render(); // a place on the page, such as that of "Skip to"
  const found = await latest("face", linked());
  if (!found) return;
  commit(found.change);
  if (found.ignored) say(found.ignored, "problem");
}

async function drawnLevel(seed) {
  return { take: "drawn", seed, eps: await latentOf(seed) };
}

/* The parts of the page */

function introduce() {
  $("where").textContent = WHERE;
  for (const id of LACKS) $(id).hidden = true;
  const [channels, height, width] = model.image_shape;
  const size = `${width}×${height}${channels === 1 ? " grey" : channels === 3 ? "" : `×${channels}`}`;
  const parameters = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(model.num_parameters);
  const trained = model.usual.data ? `, trained on ${model.usual.data}` : "";
  $("about").textContent = `${model.name}: ${size} pixels, ${model.num_bits} bits, ${parameters} parameters${trained}`;
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
  $("levels").closest("section").hidden = slices.length < 2;
  $("save-large").hidden = Math.min(width, height) >= LARGE;
}

function buildSliders() {
  const known = new Map(model.attributes.map((attribute) => [attribute.name, attribute]));
  for (const { name, opposite } of known.values()) {
    known.delete(opposite); // one slider has both at its ends
    $("sliders").append(attributeSlider(name, opposite));
  }
  $("no-sliders").hidden = known.size > 0;
}

/** The slider of an attribute, or of two opposite ones, which then stand at its ends. */
function attributeSlider(name, opposite) {
  const row = $(opposite ? "opposites-template" : "slider-template").content.cloneNode(true).firstElementChild;
  const input = row.querySelector("input");
  row.querySelector(".high").textContent = titleOf(name);
  if (opposite) {
    row.querySelector(".low").textContent = titleOf(opposite);
    input.setAttribute("aria-label", `${titleOf(opposite)} to ${titleOf(name)}`);
  }
  const valueOf = (strengths) => (strengths[name] ?? 0) - (strengths[opposite] ?? 0);
  const changed = (value) => {
    const ends = opposite ? { [name]: Math.max(value, 0), [opposite]: Math.max(-value, 0) } : { [name]: value };
    return { strengths: edited(past.now.strengths, ends) };
  };
  slider(row, {
    value: 0,
    onInput: (value) => preview(changed(value)),
    onChange: (value, gesture) => commit(changed(value), gesture),
  });
  rows.set(name, { row, valueOf });
  return row;
}

/** The visitor's own sliders, which come and go. */
function renderOwn({ own }) {
  if (own === kept) return;
  for (const name of kept ?? []) rows.delete(name);
  $("own").hidden = !own.length;
  $("own").replaceChildren($("own").querySelector("legend"), ...own.map(ownSlider));
  if (kept) keep(model.name, own.map((name) => [name, directions.get(name)])); // at the start they are those that are kept
  kept = own;
}

function ownSlider(name) {
  const row = $("own-template").content.cloneNode(true).firstElementChild;
  const button = row.querySelector("button");
  button.title = button.ariaLabel = `Delete the slider ${name}`;
  button.onclick = () => deleteSlider(name);
  row.prepend(attributeSlider(name));
  return row;
}

function buildLevels() {
  const groups = slices.map(({ shape: [channels, height, width] }, level) => {
    const group = $("level-template").content.cloneNode(true).firstElementChild;
    group.dataset.level = level;
    group.querySelector("b").textContent = group.ariaLabel = `Level ${level + 1}`;
    group.title = `${channels}×${height}×${width}`;
    for (const button of group.querySelectorAll("button")) button.onclick = () => attempt(() => takeLevel(level, button.value));
    return group;
  });
  $("levels").append(...groups.reverse());
}

async function takeLevel(level, take) {
  const taken = await latest(`level ${level}`, take === "drawn" ? drawnLevel(someSeed()) : { take });
  if (taken) commit({ levels: past.now.levels.with(level, taken) });
}

function renderStrip({ face, first, temperature, label }) {
  if (strip.first !== first) fillStrip(first);
  for (const button of $("strip").children) button.setAttribute("aria-pressed", Number(button.value) === face.seed);
  if (isSame(strip, { first, temperature, label })) return;
  const mine = (strip = { first, temperature, label });
  attempt(async () => {
    await Promise.all([...$("strip").children].map((_, i) => drawRandom(i, mine))).catch((error) => {
      if (strip === mine) strip = { first }; // so that they are drawn the next time
      throw error;
    });
  });
}

/** Draw one of the random images, among the images to choose and among the examples to take. */
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
  const drawn = (seed) => random(seed, past.now.temperature);
  const chosen = (seed) => randomButton(seed, "Random image", () => choose(drawn(seed)));
  const taken = (seed) => randomButton(seed, "Take random image", async () => example(await drawn(seed)));
  $("strip").replaceChildren(...seeds.map(chosen));
  $("offers").replaceChildren(...seeds.map(taken));
}

function randomButton(seed, label, action) {
  const button = document.createElement("button");
  button.type = "button";
  button.value = seed;
  button.setAttribute("aria-label", `${label} ${seed}`);
  const canvas = document.createElement("canvas");
  canvas.className = "thumb";
  button.append(canvas);
  button.onclick = () => attempt(action);
  return button;
}

function listen() {
  $("undo").onclick = undo;
  $("redo").onclick = redo;
  $("reset").onclick = () => commit(unedited(past.now.face, slices.length));
  $("compare").onclick = compare;
  $("share").onclick = () => attempt(share);
  for (const id of ["others", "other-examples"]) $(id).onclick = () => commit({ first: someSeed() });
  $("random-second").onclick = () => attempt(drawSecond);
  $("remove-second").onclick = () => commit(withoutSecond(past.now));
  $("swap").onclick = () => commit(swapped(past.now));
  $("class").onchange = () => commit({ label: Number($("class").value) });
  $("picture").addEventListener("shown", (event) => event.detail.isSettled && lightUp());
  $("picture").addEventListener("shown", ({ detail }) => detail.isSettled && attempt(() => renderLeaving(detail.blob)));
  $("picture").addEventListener("turned", () => {
    lightUp();
    describe(past.now);
  });
  for (const input of document.querySelectorAll("input[name=path]")) input.onchange = () => commit({ path: input.value });
  slider($("temperature-row"), {
    value: USUAL_TEMPERATURE,
    onInput: (temperature) => preview(warmed(past.now, temperature)),
    onChange: (temperature, gesture) => commit(warmed(past.now, temperature), gesture),
  });
  slider($("blend").parentElement, {
    value: 0,
    onInput: (blend) => preview({ blend }),
    onChange: (blend, gesture) => commit({ blend }, gesture),
  });
  listenToFiles();
  listenToMaking();
  listenToSaving();
  document.addEventListener("keydown", shortcut);
  document.addEventListener("click", (event) => isRefused(event) && event.stopPropagation(), { capture: true });
  window.addEventListener("hashchange", () => attempt(follow));
}

function listenToFiles() {
  const takeFirst = ([file, ...more]) => attempt(async () => {
    await choose(/\.f(64|32)$/.test(file.name) ? opened(file) : encoded(file));
    if (more.length) say(`Only ${file.name} was read: one image is opened at a time.`);
  });
  takesFiles($("upload"), takeFirst);
  takesFiles($("latents-file").parentElement, takeFirst);
  takesDrops(document.documentElement, takeFirst);
  takesPastes(takeFirst);
}

function listenToMaking() {
  for (const side of Object.keys(past.now.handfuls)) takesFiles($(side), (files) => attempt(() => gather(side, files)));
  $("take-shown").onclick = () => attempt(() => example(shown()));
  $("take-second").onclick = () => attempt(() => example(past.now.other));
  $("make-name").oninput = () => renderMaking(past.now);
  $("make").onsubmit = (event) => {
    event.preventDefault();
    attempt(makeSlider);
  };
}

function listenToSaving() {
  const each = {
    "save-picture": [".png", () => decode(compose(past.now), past.now.label)],
    "save-large": ["-large.png", async () => enlarged(await decode(compose(past.now), past.now.label))],
    "save-latents": [".f64", () => new Blob([compose(past.now)])],
    "save-animation": [".webp", animation],
  };
  for (const [id, [ending, made]] of Object.entries(each)) {
    $(id).onclick = () => {
      closeMenu();
      attempt(() => saveAs(`${fileName()}${ending}`, made));
    };
  }
  document.addEventListener("click", (event) => {
    if (!$("downloads").contains(event.target)) $("downloads").open = false;
  });
}

/** The name of files of the image, without the ending. */
function fileName() {
  const { seed, name } = past.now.face;
  return `${model.name}-${seed ?? name.replace(/\.[^.]*$/, "")}`;
}

async function saveAs(name, made) {
  save(await made(), name);
  say(`Saved as ${name}, where this browser puts downloads.`);
}

/* What a visitor does */

function undo() {
  past.undo();
  render();
}

function redo() {
  past.redo();
  render();
}

function compare() {
  const isBefore = $("compare").getAttribute("aria-pressed") === "true";
  $("compare").setAttribute("aria-pressed", !isBefore);
  const { face, label } = past.now;
  painter.show(isBefore ? compose(past.now) : face.z, label, true, subjectOf(face));
}

async function share() {
  if (!toHash(past.now, model.attributes.map(({ name }) => name))) {
    throw new Error("A link can't hold your own images or sliders: save the latents, and send the file.");
  }
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  say(copied ? "The link to this image is copied. It is also in the address bar." : "The address bar has the link to this image.");
}

async function animation() {
  const state = past.now;
  if (!isEdited(state) && !state.other) throw new Error("Edit the image first: the animation goes from before to after.");
  const [from, to] = state.other
    ? [compose({ ...state, blend: 0 }), compose({ ...state, blend: 1 })]
    : [state.face.z, compose(state)];
  say("Drawing the animation …", "working");
  return animate(from, to, state.path, state.label);
}

async function drawSecond() {
  const image = await latest("other", random(someSeed(), past.now.temperature));
  if (image) blendIn(image);
}

/* Making a slider */

/** Read files as examples. */
async function gather(side, files) {
  const gesture = Symbol();
  const taken = files.slice(0, MOST_IN_HANDFUL - past.now.handfuls[side].length);
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

/** Take an image of the page as an example, with or without the attribute as the visitor chose. */
function example(image) {
  const side = document.querySelector("input[name=side]:checked").value;
  put(side, image);
  const { length } = past.now.handfuls[side];
  say(`${image.name} is among the images ${side} it: ${length} so far.`);
}

function put(side, image, gesture) {
  const { handfuls } = past.now;
  if (handfuls[side].some(({ z }) => isSame(z, image.z))) {
    throw new Error(`${image.name} is already among the images ${side} it.`);
  }
  if (handfuls[side].length === MOST_IN_HANDFUL) {
    throw new Error(`${image.name} was left out: at most ${MOST_IN_HANDFUL} images are taken.`);
  }
  commit({ handfuls: { ...handfuls, [side]: [...handfuls[side], image] } }, gesture);
}

/** The image that is shown, with its edits, as an example. */
function shown() {
  return { name: nameOf(past.now), seed: null, temperature: null, eps: null, z: compose(past.now), facts: null };
}

function renderMaking({ handfuls, other }) {
  for (const [side, images] of Object.entries(handfuls)) renderHandful($(side).querySelector("ul"), side, images);
  allow($("take-second"), other);
  const isReady = handfuls.with.length && handfuls.without.length && $("make-name").value.trim();
  $("make").querySelector("button").disabled = !isReady;
}

const listed = new WeakMap(); // list -> the images that it shows

function renderHandful(list, side, images) {
  if (listed.get(list) === images) return;
  listed.set(list, images);
  list.replaceChildren(...images.map((image) => exampleItem(side, image)));
}

function exampleItem(side, image) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.title = button.ariaLabel = `Take ${image.name} out`;
  const canvas = document.createElement("canvas");
  canvas.className = "thumb";
  button.append(canvas);
  presentImage(canvas, image, image.facts?.pictureSeen);
  button.onclick = () => {
    const { handfuls } = past.now;
    commit({ handfuls: { ...handfuls, [side]: handfuls[side].filter((other) => other !== image) } });
    ($(side).querySelector("li button") ?? $(side).querySelector("input")).focus(); // its own button is gone
  };
  item.append(button);
  return item;
}

function makeSlider() {
  const { handfuls, own } = past.now;
  const name = $("make-name").value.trim();
  if (directions.has(name)) throw new Error(`There is, or was, a slider called ${name}: choose another name.`);
  const [having, without] = [handfuls.with, handfuls.without].map((images) => images.map(({ z }) => z));
  directions.set(name, difference(having, without));
  $("make-name").value = "";
  commit({ own: [...own, name], handfuls: { with: [], without: [] } });
  rows.get(name).row.querySelector("input").focus();
  say(`The slider ${name} is now at the top of the attributes.`);
}

function deleteSlider(name) {
  commit({ own: past.now.own.filter((other) => other !== name), strengths: edited(past.now.strengths, { [name]: 0 }) });
  ($("sliders").querySelector("input") ?? $("make-name")).focus();
  say(`The slider ${name} is deleted.`);
}

function shortcut(event) {
  const isText = event.target.matches?.("input[type=text]"); // it has an undo of its own
  if (event.key === "Escape" && $("downloads").open) closeMenu();
  if (isText || !(event.ctrlKey || event.metaKey)) return;
  const key = event.key.toLowerCase();
  const action = key === "y" || (key === "z" && event.shiftKey) ? redo : key === "z" ? undo : null;
  if (!action) return;
  event.preventDefault();
  action();
}

function closeMenu() {
  $("downloads").open = false;
  $("downloads").querySelector("summary").focus();
}

/** Give the light around the image the image's colours. */
function lightUp() {
  const { width, height } = $("ambience");
  const context = $("ambience").getContext("2d");
  context.clearRect(0, 0, width, height);
  context.drawImage($("picture"), 0, 0, width, height);
}
