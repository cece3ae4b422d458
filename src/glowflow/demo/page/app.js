// The page: it learns about the model, and begins with an image. What is shown follows from one state (state.js).

import * as address from "./address.js";
import * as attributes from "./attributes.js";
import * as blending from "./blending.js";
import * as choosing from "./choosing.js";
import * as introduction from "./introduction.js";
import * as judging from "./judging.js";
import * as levels from "./levels.js";
import * as making from "./making.js";
import * as saving from "./saving.js";
import * as stage from "./stage.js";
import * as wipe from "./wipe.js";
import { collect, example, examples, random, someSeed } from "./images.js";
import { present } from "./painter.js";
import { $, attributeNames, directions, model, open, slices, start } from "./session.js";
import { unedited, USUAL_TEMPERATURE } from "./state.js";
import { complain, say } from "./voice.js";

const PARTS = [introduction, stage, judging, wipe, choosing, attributes, blending, levels, making, saving, address];

begin().catch((error) => {
  $("about").textContent = error.message;
});

async function begin() {
  await Promise.all([open(), collect().catch(complain)]); // without examples the page has random images
  if (examples.length && !location.hash) present($("picture"), null, Promise.resolve(examples[0].picture)); // while it is read
  const { change, ignored } = await address.linked().catch((error) => {
    complain(error);
    return { change: {}, ignored: "" };
  });
  start({ ...(await freshState(change)), ...change }, PARTS);
  if (ignored) say(ignored, "problem");
}

/** The state at the beginning, with the image of a link or else one to begin with. */
async function freshState({ face }) {
  const first = someSeed();
  const image = face ?? (await firstImage(first));
  return {
    ...unedited(image, slices.length),
    other: null,
    path: "linear",
    temperature: USUAL_TEMPERATURE,
    label: model.class_names.length ? (examples[image.example]?.label ?? 0) : null,
    first,
    own: [...directions.keys()].filter((name) => !attributeNames().includes(name)),
    handfuls: { with: [], without: [] },
  };
}

/** The first example, or a random image if there is none. */
function firstImage(seed) {
  const otherwise = () => random(seed, USUAL_TEMPERATURE);
  if (!examples.length) return otherwise();
  return example(0).catch((error) => {
    complain(error);
    return otherwise();
  });
}
