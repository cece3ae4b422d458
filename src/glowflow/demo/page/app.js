// The page. What is shown is a function of one state, which is never changed but replaced:
//   face, other  the image to edit, and one to blend in or null: {name, z, seed, temperature, eps, facts}, the last four
//                null where they don't apply
//   blend, path  how far from one to the other, and which way
//   levels       for each level: {take: "own" | "other" | "drawn", seed, eps}
//   strengths    of attributes by name, without those at 0
//   temperature  of random images
//   label        the class, null for a model without

import { animate, decode, encode, getDirections, getLatent, getModel } from "./api.js";
import { description, gauge, leaving, measure, warning } from "./facts.js";
import { readLatents, reduced, save, takesDrops, takesFiles, takesPastes, typed } from "./files.js";
import { History } from "./history.js";
import { between, difference, levelSlices, mixed, moved, scaled } from "./latents.js";
import { fromHash, toHash } from "./link.js";
import { draw, enlarged, LARGE, Painter } from "./painter.js";
import { grouped, inWords, show, slider } from "./sliders.js";

const USUAL_TEMPERATURE = 0.7;
const NUM_RANDOM = 12;
const MOST_SEEDS = 2 ** 31;
const MOST_IN_HANDFUL = 50;
const SECONDS_TO_READ = 12;

const $ = (id) => document.getElementById(id);

let model, slices, numDims, past, painter;
const directions = new Map(); // attribute -> its vector (D,); also of deleted ones, for the sake of undo
let own = []; // names of the visitor's own
const rows = new Map(); // attribute -> its slider
const latents = new Map(); // seed -> promise of its latents, the latest few
const pictures = new WeakMap(); // image -> promise of its Blob
const handfuls = { with: [], without: [] };
let described = null; // the image that facts are shown of
let silence; // the timer that ends what is said
let strip = {}; // what its pictures are of: {first, temperature, label}, the seed of the first and how they are drawn

attempt(begin);

async function begin() {
  model = await getModel();
  slices = levelSlices(model.latent_shapes);
  numDims = slices.at(-1).end;
  const vectors = await getDirections(numDims);
  model.attributes.forEach(({ name }, i) => directions.set(name, vectors[i]));
  recall();
  painter = new Painter($("picture"), complain);
  introduce();
  buildSliders();
  buildLevels();
  listen();
  const seed = someSeed();
  past = new History((await linked()) ?? freshState(await random(seed, USUAL_TEMPERATURE)));
  fillStrip(seed);
  render();
}

/* What is shown */

function freshState(face) {
  const levels = slices.map(() => ({ take: "own" }));
  const label = model.class_names.length ? 0 : null;
  const { temperature } = face;
  return { face, other: null, blend: 0, path: "linear", levels, strengths: {}, temperature, label };
}

function compose({ face, other, blend, path, levels, strengths, temperature }) {
  const takes = { own: () => face.z, other: () => other.z, drawn: ({ eps }) => scaled(eps, temperature) };
  const start = levels.every(({ take }) => take === "own")
    ? face.z
    : mixed(levels.map((level) => takes[level.take](level)), slices);
  const blended = other && blend ? between(start, other.z, blend, path) : start;
  return moved(blended, Object.entries(strengths).map(([name, strength]) => [directions.get(name), strength]));
}

function isEdited({ blend, levels, strengths }) {
  return blend !== 0 || levels.some(({ take }) => take !== "own") || Object.keys(strengths).length > 0;
}

/** What the sliders are at: pairs of a name, in words, and a strength. */
function editsOf({ strengths }) {
  return Object.entries(strengths).map(([name, strength]) => [titleOf(name), strength]);
}

function titleOf(attribute) {
  return model.attributes.some(({ name }) => name === attribute) ? inWords(attribute) : attribute;
}

/** The strengths with another one of an attribute. */
function withStrength(name, strength) {
  const all = Object.entries({ ...past.now.strengths, [name]: strength });
  return Object.fromEntries(all.filter(([, value]) => value !== 0));
}

function preview(change) {
  const state = { ...past.now, ...change };
  painter.show(compose(state), state.label, false);
}

function commit(change, control) {
  past.commit({ ...past.now, ...change }, control);
  render();
}

function render() {
  const state = past.now;
  painter.show(compose(state), state.label, true);
  $("compare").setAttribute("aria-pressed", "false");
  allow($("undo"), past.canUndo);
  allow($("redo"), past.canRedo);
  for (const id of ["reset", "compare"]) allow($(id), isEdited(state));
  $("picture").setAttribute("aria-label", `${state.face.name}${isEdited(state) ? ", edited" : ""}`);
  $("description").textContent = description(state, editsOf(state));
  renderFacts(state.face);
  renderBlend(state);
  renderLevels(state);
  rows.forEach((row, name) => show(row, state.strengths[name] ?? 0));
  show($("temperature-row"), state.temperature);
  attempt(() => renderStrip(state));
  if (state.label !== null) $("class").value = state.label;
  const hash = toHash(state, model.attributes.map(({ name }) => name));
  window.history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
}

function renderFacts(face) {
  if (described === face) return;
  described = face;
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
  $("seen").src = facts.seen;
  attempt(async () => showBlob($("reconstructed"), await pictureOf(face)));
  if (!places) return;
  $("gauge").setAttribute("aria-label", places.text);
  $("gauge").title = places.text;
  $("usual-range").style.setProperty("--from", `${100 * places.start}%`);
  $("usual-range").style.setProperty("--to", `${100 * places.end}%`);
  $("marker").style.setProperty("--at", `${100 * places.at}%`);
}

/** Say it if edits led the picture that is shown out of the range of those that the model knows. */
async function renderLeaving(picture) {
  const state = past.now;
  const text = isEdited(state) ? leaving(await pictureOf(state.face), picture) : "";
  if (state !== past.now) return;
  $("leaving").hidden = !text;
  $("leaving").textContent = text;
}

/** A button that can't be used now keeps the keyboard's focus, which a disabled one would lose. */
function allow(button, isAllowed) {
  button.setAttribute("aria-disabled", !isAllowed);
}

function isRefused(event) {
  return event.target.closest?.("[aria-disabled=true]");
}

function showBlob(picture, blob) {
  picture.src = URL.createObjectURL(blob);
  picture.onload = () => URL.revokeObjectURL(picture.src);
}

function renderBlend({ face, other, blend, path }) {
  show($("blend").parentElement, blend);
  $("blend").disabled = !other;
  allow($("remove-second"), other);
  allow($("swap"), canSwap(past.now));
  document.querySelector(`input[name=path][value=${path}]`).checked = true;
  $("second-thumb").classList.toggle("empty", !other);
  $("second-thumb").setAttribute("aria-label", other ? `Second image: ${other.name}` : "No second image yet");
  drawThumb($("first-thumb"), face);
  if (other) drawThumb($("second-thumb"), other);
}

function drawThumb(canvas, image) {
  attempt(async () => {
    const blob = await pictureOf(image);
    if ([past.now.face, past.now.other].includes(image)) await draw(canvas, blob);
  });
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
  const found = kept(latents, seed, () => getLatent(seed));
  latents.delete(seed); // the latest goes last
  latents.set(seed, found);
  if (latents.size > 4 * NUM_RANDOM) latents.delete(latents.keys().next().value);
  return found;
}

function someSeed() {
  return Math.floor(Math.random() * MOST_SEEDS);
}

function pictureOf(image) {
  return kept(pictures, image, () => decode(Float64Array.from(image.z), past.now.label));
}

/** What a cache has, or else a new promise; one that fails isn't kept, so that the next to need it asks again. */
function kept(cache, key, get) {
  if (!cache.has(key)) {
    cache.set(key, get());
    cache.get(key).catch(() => cache.delete(key));
  }
  return cache.get(key);
}

/** Take an image to edit, or to blend in, as the visitor has chosen. */
function choose(image) {
  if (document.querySelector("input[name=role]:checked").value === "other") blendIn(image);
  else commit({ face: image, blend: 0, levels: slices.map(() => ({ take: "own" })), strengths: {} });
}

function blendIn(image) {
  commit({ other: image, blend: past.now.blend || 0.5 });
  say(`${image.name} is the second image. ${image.facts ? judgement(image.facts) : ""}`);
}

async function upload(file) {
  const image = await encoded(file);
  choose(image);
  const isDescribed = past.now.face === image; // where everybody can see it
  if (isDescribed) say(`${file.name}: ${judgement(image.facts)}`, "unseen");
}

function judgement(facts) {
  return `${measure(facts, model.usual)} ${warning(facts, model.usual)}`;
}

async function encoded(given) {
  if (!model.takes_images) throw new Error("No image file has as many channels as this model's images.");
  const file = await typed(given);
  if (!model.limits.types.includes(file.type)) {
    throw new Error(`${file.name} isn't a kind of image that can be read: take a PNG, a JPEG or a WebP.`);
  }
  say(`Reading ${file.name} …`);
  const { body, width, height } = await reduced(file);
  if (body.size > model.limits.bytes) {
    throw new Error(`${file.name} is larger than ${Math.round(model.limits.bytes / 1e6)} MB.`);
  }
  const fits = height === model.image_shape[1] && width === model.image_shape[2]; // and so is cut already
  const { z, ...facts } = await encode(body, past.now.label, $("align").checked && !fits);
  say("");
  return { name: file.name, seed: null, temperature: null, eps: null, z, facts };
}

async function openLatents(file) {
  const z = await readLatents(file, numDims);
  choose({ name: file.name, seed: null, temperature: null, eps: null, z, facts: null });
}

async function linked() {
  const names = model.attributes.map(({ name }) => name);
  const state = fromHash(location.hash, names, slices.length, model.class_names.length);
  if (!state) return null;
  const face = await random(state.face.seed, state.face.temperature);
  const other = state.other && (await random(state.other.seed, state.other.temperature));
  const levels = await Promise.all(state.levels.map(async (l) => (l.seed === undefined ? l : drawnLevel(l.seed))));
  return { ...state, face, other, levels, temperature: face.temperature };
}

async function drawnLevel(seed) {
  return { take: "drawn", seed, eps: await latentOf(seed) };
}

/* The parts of the page */

function introduce() {
  const [channels, height, width] = model.image_shape;
  const size = `${width}×${height}${channels === 1 ? " grey" : channels === 3 ? "" : `×${channels}`}`;
  const parameters = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(model.num_parameters);
  const trained = model.usual.data ? `, trained on ${model.usual.data}` : "";
  $("about").textContent = `${model.name}: ${size} pixels, ${model.num_bits} bits, ${parameters} parameters${trained}`;
  document.title = `${model.name} · glowflow`;
  document.documentElement.style.setProperty("--aspect", `${width} / ${height}`);
  $("file").accept = model.limits.types.join();
  for (const input of $("making").querySelectorAll("input[type=file]")) input.accept = model.limits.types.join();
  $("upload").hidden = $("making").hidden = !model.takes_images;
  $("align-row").hidden = !model.finds_faces;
  $("class-choice").hidden = !model.class_names.length;
  $("class").append(...model.class_names.map((name, i) => new Option(name, i)));
  $("levels").closest("section").hidden = slices.length < 2;
  $("save-large").hidden = Math.min(width, height) >= LARGE;
}

function buildSliders() {
  rows.clear();
  const names = [...model.attributes.map(({ name }) => name), ...own];
  const groups = grouped(names, own).map(([title, names]) => {
    const group = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = title;
    group.append(legend, ...names.map((name) => (own.includes(name) ? ownSlider(name) : attributeSlider(name))));
    return group;
  });
  const nothing = document.createElement("p");
  nothing.className = "hint";
  nothing.textContent = model.takes_images
    ? "This model has no directions for attributes yet. Make your own slider from images, below."
    : "This model has no directions for attributes.";
  $("sliders").replaceChildren(...(groups.length ? groups : [nothing]));
}

function attributeSlider(name) {
  const row = $("slider-template").content.cloneNode(true).firstElementChild;
  row.querySelector("span").textContent = titleOf(name);
  const changed = (value) => ({ strengths: withStrength(name, value) });
  slider(row, {
    value: past?.now.strengths[name] ?? 0,
    onInput: (value) => preview(changed(value)),
    onChange: (value) => commit(changed(value), `attribute ${name}`),
  });
  rows.set(name, row);
  return row;
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
  const taken = take === "drawn" ? await drawnLevel(someSeed()) : { take };
  commit({ levels: past.now.levels.with(level, taken) });
}

function fillStrip(first) {
  $("strip").replaceChildren(...Array.from({ length: NUM_RANDOM }, (_, i) => stripButton(first + i)));
  strip = { first };
}

async function renderStrip({ face, temperature, label }) {
  const buttons = [...$("strip").children];
  for (const button of buttons) button.setAttribute("aria-pressed", Number(button.value) === face.seed);
  if (strip.temperature === temperature && strip.label === label) return;
  const mine = (strip = { ...strip, temperature, label });
  await Promise.all(
    buttons.map(async (button) => {
      const { z } = await random(Number(button.value), temperature);
      if (strip === mine) await draw(button.firstElementChild, await decode(Float32Array.from(z), label));
    }),
  );
}

function stripButton(seed) {
  const button = document.createElement("button");
  button.type = "button";
  button.value = seed;
  button.setAttribute("aria-label", `Random image ${seed}`);
  const canvas = document.createElement("canvas");
  canvas.className = "thumb";
  button.append(canvas);
  button.onclick = () => attempt(async () => choose(await random(seed, past.now.temperature)));
  return button;
}

function listen() {
  $("undo").onclick = undo;
  $("redo").onclick = redo;
  $("reset").onclick = () => commit({ blend: 0, levels: slices.map(() => ({ take: "own" })), strengths: {} });
  $("compare").onclick = compare;
  $("share").onclick = () => attempt(share);
  $("others").onclick = drawOthers;
  $("random-second").onclick = () => attempt(async () => blendIn(await random(someSeed(), past.now.temperature)));
  $("remove-second").onclick = removeSecond;
  $("swap").onclick = swap;
  $("class").onchange = takeClass;
  $("picture").addEventListener("shown", (event) => event.detail.isSettled && lightUp());
  $("picture").addEventListener("shown", ({ detail }) => detail.isSettled && attempt(() => renderLeaving(detail.blob)));
  for (const input of document.querySelectorAll("input[name=path]")) input.onchange = () => commit({ path: input.value });
  slider($("temperature-row"), {
    value: USUAL_TEMPERATURE,
    onInput: (temperature) => preview(warmed(temperature)),
    onChange: (temperature) => commit(warmed(temperature), "temperature"),
  });
  slider($("blend").parentElement, {
    value: 0,
    onInput: (blend) => preview({ blend }),
    onChange: (blend) => commit({ blend }, "blend"),
  });
  listenToFiles();
  listenToMaking();
  listenToSaving();
  document.addEventListener("keydown", shortcut);
  document.addEventListener("click", (event) => isRefused(event) && event.stopPropagation(), { capture: true });
  window.addEventListener("hashchange", () => attempt(async () => commit((await linked()) ?? {})));
}

function listenToFiles() {
  const takeFirst = ([file]) => attempt(() => (/\.f(64|32)$/.test(file.name) ? openLatents(file) : upload(file)));
  takesFiles($("upload"), takeFirst);
  takesFiles($("latents-file").parentElement, takeFirst);
  takesDrops(document.documentElement, takeFirst);
  takesPastes(takeFirst);
}

function listenToMaking() {
  for (const side of Object.keys(handfuls)) takesFiles($(side), (files) => attempt(() => gather(side, files)));
  $("make-name").oninput = renderMaking;
  $("make").onsubmit = (event) => {
    event.preventDefault();
    attempt(makeSlider);
  };
}

function listenToSaving() {
  const name = () => `${model.name}-${past.now.face.seed ?? past.now.face.name.replace(/\.[^.]*$/, "")}`;
  const each = {
    "save-picture": async () => save(await decode(compose(past.now), past.now.label), `${name()}.png`),
    "save-large": async () => save(await enlarged(await decode(compose(past.now), past.now.label)), `${name()}-large.png`),
    "save-latents": async () => save(new Blob([compose(past.now)]), `${name()}.f64`),
    "save-animation": async () => save(await animation(), `${name()}.webp`),
  };
  for (const [id, action] of Object.entries(each)) {
    $(id).onclick = () => {
      closeMenu();
      attempt(action);
    };
  }
  document.addEventListener("click", (event) => {
    if (!$("downloads").contains(event.target)) $("downloads").open = false;
  });
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
  painter.show(isBefore ? compose(past.now) : past.now.face.z, past.now.label, true);
}

async function share() {
  if (!toHash(past.now, model.attributes.map(({ name }) => name))) {
    throw new Error("A link can't hold images or sliders of yours: save the latents, and send the file.");
  }
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  say(copied ? "The link to this image is copied; it's in the address bar, too." : "The address bar has the link to this image.");
}

async function animation() {
  const state = past.now;
  if (!isEdited(state) && !state.other) throw new Error("Edit the image first: the animation goes from before to after.");
  const [from, to] = state.other
    ? [compose({ ...state, blend: 0 }), compose({ ...state, blend: 1 })]
    : [state.face.z, compose(state)];
  say("Drawing the animation …");
  const blob = await animate(from, to, state.path, state.label);
  say("The animation is saved.");
  return blob;
}

function drawOthers() {
  fillStrip(someSeed());
  attempt(() => renderStrip(past.now));
}

/** The change to a temperature, of the image too if it's a random one. */
function warmed(temperature) {
  const { face } = past.now;
  return face.eps ? { temperature, face: { ...face, temperature, z: scaled(face.eps, temperature) } } : { temperature };
}

/** Whether the same picture can be had with the images' roles exchanged: levels of their own aren't blended both ways. */
function canSwap({ other, blend, levels }) {
  return other && (blend === 0 || levels.every(({ take }) => take === "own"));
}

function swap() {
  const { face, other, blend, levels, temperature } = past.now;
  const isWhole = levels.every(({ take }) => take === "own");
  const exchanged = { own: { take: "other" }, other: { take: "own" } };
  commit({
    face: other,
    other: face,
    temperature: other.temperature ?? temperature,
    ...(isWhole ? { blend: 1 - blend } : { levels: levels.map((level) => exchanged[level.take] ?? level) }),
  });
}

function removeSecond() {
  const levels = past.now.levels.map((level) => (level.take === "other" ? { take: "own" } : level));
  commit({ other: null, blend: 0, levels });
}

function takeClass() {
  for (const image of [past.now.face, past.now.other]) pictures.delete(image);
  described = null;
  commit({ label: Number($("class").value) });
}

async function gather(side, files) {
  const taken = files.slice(0, MOST_IN_HANDFUL - handfuls[side].length);
  const numLeft = files.length - taken.length;
  const problems = numLeft ? [`A handful is at most ${MOST_IN_HANDFUL} images: ${numLeft} of these were left out.`] : [];
  for (const [i, file] of taken.entries()) {
    try {
      handfuls[side].push(await encoded(file));
      renderMaking();
      say(`${i + 1} of ${taken.length} images read.`);
    } catch (error) {
      problems.push(error.message);
    }
  }
  if (problems.length) throw new Error(problems.join(" "));
}

function renderMaking() {
  for (const [side, images] of Object.entries(handfuls)) {
    $(side).querySelector("ul").replaceChildren(...images.map((image) => exampleItem(side, image)));
  }
  const isReady = handfuls.with.length && handfuls.without.length && $("make-name").value.trim();
  $("make").querySelector("button").disabled = !isReady;
}

function exampleItem(side, image) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.title = button.ariaLabel = `Take ${image.name} out`;
  const picture = document.createElement("img");
  picture.src = image.facts.seen;
  picture.alt = "";
  button.append(picture);
  button.onclick = () => {
    handfuls[side] = handfuls[side].filter((other) => other !== image);
    renderMaking();
    ($(side).querySelector("li button") ?? $(side).querySelector("input")).focus(); // its own button is gone
  };
  item.append(button);
  return item;
}

function makeSlider() {
  const name = $("make-name").value.trim();
  if (directions.has(name)) throw new Error(`There is, or was, a slider called ${name}: take another name.`);
  const [having, without] = [handfuls.with, handfuls.without].map((images) => images.map(({ z }) => z));
  directions.set(name, difference(having, without));
  keep([...own, name]);
  Object.assign(handfuls, { with: [], without: [] });
  $("make-name").value = "";
  renderMaking();
  buildSliders();
  render();
  rows.get(name).querySelector("input").focus();
  say(`The slider ${name} stands first among the attributes.`);
}

function deleteSlider(name) {
  keep(own.filter((other) => other !== name));
  buildSliders();
  commit({ strengths: withStrength(name, 0) });
  ($("sliders").querySelector("input") ?? $("make-name")).focus();
  say(`The slider ${name} is deleted.`);
}

/** The visitor's own sliders are these from now on, after a reload too where they fit into the browser's storage. */
function keep(names) {
  own = names;
  const sliders = own.map((name) => [name, [...directions.get(name)]]);
  try {
    sessionStorage.setItem(model.name, JSON.stringify(sliders));
  } catch {
    sessionStorage.removeItem(model.name);
  }
}

/** Take up the sliders of one's own from before a reload. */
function recall() {
  const sliders = JSON.parse(sessionStorage.getItem(model.name) ?? "[]").filter(([, vector]) => vector.length === numDims);
  for (const [name, vector] of sliders) directions.set(name, Float64Array.from(vector));
  own = sliders.map(([name]) => name);
}

function shortcut(event) {
  const isText = event.target.matches?.("input[type=text], select");
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

/** Let the light around the image take its colours. */
function lightUp() {
  const { width, height } = $("ambience");
  $("ambience").getContext("2d").drawImage($("picture"), 0, 0, width, height);
}

/* What is said */

function attempt(action) {
  return Promise.resolve().then(action).catch(complain);
}

function complain(error) {
  say(error.message, "problem");
}

/** Say something for a while: as a "problem", or "unseen", to screen readers alone, where it's seen elsewhere. */
function say(text, kind = "") {
  $("status").className = kind;
  $("status").textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => ($("status").textContent = ""), SECONDS_TO_READ * 1000);
}
