// Pictures of latents, by either of the workers.

import { getModel } from "./assets.js";
import { picture } from "./picture.js";

/** An image (C, H, W), 8 bits, of latents. */
export function decoded(functions, z, label) {
  return functions.run("decoder", { latents: Float32Array.from(z) }, label);
}

/** The picture of latents as values (C, H, W). */
export async function preview(functions, z, label) {
  return { image: await decoded(functions, z, label) };
}

/** The picture of latents, as a file and as values (C, H, W). */
export async function decode(functions, z, label) {
  const image = await decoded(functions, z, label);
  return { blob: await picture(image, (await getModel()).image_shape), image };
}

/** The image of latents, and the milliseconds that it took. */
export async function timed(functions, z, label) {
  const began = performance.now();
  const image = await decoded(functions, z, label);
  return { image, milliseconds: performance.now() - began };
}
