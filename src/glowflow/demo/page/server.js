// The engine that asks the server, which turns images into latents and latents into pictures. An Error's message is the
// server's sentence. Addresses are relative, because a proxy may serve the page anywhere.

import { bytes, png } from "./base64.js";

const BINARY = { "Content-Type": "application/octet-stream" };
const MOST_TRIES = 3;

export const WHERE = "Images go only to the glowflow that serves this page, which doesn't keep them.";
export const LACKS = [];
export const MOST_SIDE = 2048;

export function judges({ usual }) {
  return usual.bits_per_dim ? "The page compares the picture with images that the model hasn't seen." : "";
}

export async function getModel() {
  return (await ask("api/model")).json();
}

/** The vectors of the model's attributes, one after the other. */
export async function getDirections() {
  return new Float32Array(await (await ask("api/directions")).arrayBuffer());
}

/** Images of the model's test data. */
export async function getExamples() {
  return (await (await ask("api/examples")).json()).images;
}

/** Standard normal latents of a seed. */
export async function getLatent(seed) {
  return Float64Array.from(new Float32Array(await (await ask(`api/latent?seed=${seed}`)).arrayBuffer()));
}

/**
 * The picture of latents, a Blob: fast for a Float32Array, exact for a Float64Array. For an exact picture outside the
 * usual range, the excess is how far it is outside (otherwise 0).
 */
export async function decode(z, label) {
  const answer = await ask(`api/decode${query({ label })}`, { method: "POST", headers: BINARY, body: z });
  const [excess, compared] = ["Glowflow-Excess", "Glowflow-Compared"].map((name) => answer.headers.get(name));
  const found = { excess: excess === "inf" ? Infinity : Number(excess), compared };
  return Object.assign(await answer.blob(), { unusual: async () => found, judge: () => judge(z, label) });
}

async function judge(z, label) {
  const answer = await ask(`api/judge${query({ label })}`, { method: "POST", headers: BINARY, body: z });
  const { bits_per_dim: bitsPerDim, p_value: pValue, map } = await answer.json();
  return { bitsPerDim, pValue, map: map && { ...map, heat: png(map.heat), scale: png(map.scale) } };
}

/** The latents of an example. */
export async function read(picture, label) {
  return (await encode(picture, label, false)).z;
}

/** Latents and facts of an image file. */
export async function encode(file, label, align) {
  const options = { method: "POST", headers: { "Content-Type": file.type }, body: file };
  const answer = await (await ask(`api/encode${query({ label, align: align ? 1 : 0 })}`, options)).json();
  return {
    z: new Float64Array(bytes(answer.latents).buffer),
    seen: png(answer.image),
    bitsPerDim: answer.bits_per_dim,
    pValue: answer.p_value,
    exact: answer.exact,
    faceFound: answer.face_found,
    aligned: align,
  };
}

/** An animation from one latent to another and back, a Blob. */
export async function animate(first, last, path, label) {
  const body = new Float32Array([...first, ...last]);
  return (await ask(`api/animation${query({ path, label })}`, { method: "POST", headers: BINARY, body })).blob();
}

/** What draws the pictures doesn't change: the server chose it when it started. */
export function onDrawing() {}

/** An answer. If the network or a busy server refuses the request, it is sent again a little later. */
async function ask(address, options, tries = 1) {
  const answer = await fetch(address, options).catch(() => null);
  if (answer?.ok) return answer;
  const isPassing = !answer || answer.status === 503;
  if (!isPassing || tries === MOST_TRIES) throw new Error(await problem(answer));
  const seconds = Number(answer?.headers.get("Retry-After") ?? 1);
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  return ask(address, options, tries + 1);
}

async function problem(answer) {
  if (!answer) return "The server doesn't answer: is glowflow demo still running?";
  const { error } = await answer.json().catch(() => ({ error: `The server answers with ${answer.status}.` }));
  return error;
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
