// How usual the picture is: in words, on a scale of bits/dim, and pixel by pixel. For the visitor's image, what comes back.

import { judges } from "./engine.js";
import { bits, gauge, reconstruction, STRANGE, verdict } from "./facts.js";
import { presentImage, pictureOf } from "./images.js";
import { latest } from "./latest.js";
import { present } from "./painter.js";
import { $, model, now, painter } from "./session.js";
import { isEdited, subjectOf } from "./state.js";

const PATIENCE = 400; // milliseconds that a picture must stay before the engine is asked about it

let timer;
let judged = null; // the subject of the judgement that is shown

export function begin() {
  $("judges").textContent = judges(model);
  $("picture").addEventListener("turned", () => renderImage(now()));
  $("picture").addEventListener("shown", ({ detail }) => {
    clearTimeout(timer);
    if (detail.isSettled) timer = setTimeout(() => judge(detail).catch(() => {}), PATIENCE); // nobody asked for it
  });
}

export function render(state) {
  clearTimeout(timer); // another picture follows
  if (painter.isOf(subjectOf(state.face))) renderImage(state);
}

/** Show what was found when the image was read. Nothing is known yet about a random one. */
function renderImage(state) {
  const { face } = state;
  const { facts } = face;
  for (const id of ["thumbs", "measure"]) $(id).hidden = !facts;
  if (judged !== subjectOf(face)) renderJudgement(facts, state); // else the last one stays while the image is edited
  if (!facts) return;
  $("measure").textContent = reconstruction(facts);
  presentImage($("seen"), face, facts.pictureSeen);
  presentImage($("reconstructed"), face, pictureOf(face, facts.label));
}

/** Ask about a picture that is shown, and show the answer if it is still there. */
async function judge({ state, picture }) {
  const found = await latest("judgement", picture.judge());
  if (!found || state !== now()) return;
  renderJudgement(found, state);
  $("heat-figure").hidden = !found.map;
  if (found.map) await renderMap(found.map, subjectOf(state.face));
}

function renderJudgement(found, state) {
  judged = found ? subjectOf(state.face) : null;
  $("judgement").classList.toggle("pending", !found);
  $("heat-figure").classList.toggle("pending", !found?.map);
  if (!found) return;
  const { text, isUnusual } = verdict(found, model.usual);
  const isNotice = isUnusual && !isEdited(state); // another line tells what edits did
  tell(isNotice ? `${text} ${STRANGE}` : text);
  $("verdict").hidden = !text;
  $("verdict").classList.toggle("notice", isNotice);
  $("bits").textContent = bits(found, model.usual);
  renderGauge(gauge(found, model.usual));
}

/** Say how usual the picture is. Screen readers tell what is new. */
function tell(text) {
  if ($("verdict").textContent !== text) $("verdict").textContent = text;
}

function renderMap({ heat, scale, ends, caption }, subject) {
  const [low, high] = ends.map((end) => end.toFixed(end < 100 ? 1 : 0));
  $("heat").setAttribute("aria-label", `A map of the picture: ${caption}, from ${low} to ${high}`);
  $("heat-low").textContent = low;
  $("heat-high").textContent = high;
  $("heat-caption").textContent = caption;
  const pictures = [["heat", subject, heat], ["heat-scale", "scale", scale]];
  return Promise.all(pictures.map(([id, of, picture]) => present($(id), of, Promise.resolve(picture))));
}

function renderGauge(places) {
  $("gauge").hidden = !places;
  if (!places) return;
  $("gauge").setAttribute("aria-label", places.text);
  $("gauge").title = places.text;
  $("usual-range").style.setProperty("--from", `${100 * places.start}%`);
  $("usual-range").style.setProperty("--to", `${100 * places.end}%`);
  $("marker").style.setProperty("--at", `${100 * places.at}%`);
}
