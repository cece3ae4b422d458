// The files of the model, which lie beside the page's own.

import { cached } from "./cache.js";

const HERE = new URL("../model/", import.meta.url);
const known = new Map();

/** Promise of the facts about the model. */
export function getModel() {
  return cached(known, "model", () => json("model.json"));
}

export async function json(name) {
  return (await loaded(name)).json();
}

export async function bytes(name) {
  return new Uint8Array(await (await loaded(name)).arrayBuffer());
}

/** The numbers of a file, a Float32Array. */
export async function numbers(name) {
  return new Float32Array(await (await loaded(name)).arrayBuffer());
}

async function loaded(name) {
  const answer = await fetch(new URL(name, HERE)).catch(() => null);
  if (!answer?.ok) throw new Error(`The file ${name} of this page can't be loaded.`);
  return answer;
}
