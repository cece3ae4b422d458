// What computes for the page. An engine is a module with the functions below; this one line chooses it. The exported page
// (`glowflow export web`) has "./browser.js" here.
//
// - getModel(): the facts about the model, as /api/model gives them.
// - getDirections(numDims): a Float32Array (D,) for each of the model's attributes.
// - getLatent(seed): standard normal latents of a seed, a Float64Array (D,).
// - decode(z, label): the picture of latents, a Blob: fast for a Float32Array, as exact as the engine can for a
//   Float64Array. An exact picture has a function `unusual`, which promises {excess, compared}: how far it is outside the
//   usual range (0 for inside), and the same in words.
// - encode(file, label, align): latents and facts of an image file.
// - animate(first, last, path, label): an animation from one latent to another and back, a Blob.
// - WHERE: a sentence about where images go.
// - LACKS: the ids of the page's elements for what the engine can't do.

export * from "./server.js";
