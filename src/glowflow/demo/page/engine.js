// What computes for the page. An engine is a module with the functions below; this one line chooses it. The exported page
// (`glowflow export web`) has "./browser.js" here.
//
// - getModel(): the facts about the model, as /api/model gives them.
// - getDirections(numDims): a Float32Array (D,) for each of the model's attributes.
// - getExamples(): a few images of the model's test data, {picture, label, z}: a Blob, the class or null, and the
//   latents or null.
// - getLatent(seed): standard normal latents of a seed, a Float64Array (D,).
// - decode(z, label): the picture of latents, a Blob: fast for a Float32Array, as exact as the engine can for a
//   Float64Array. An exact picture has a function `unusual`, which promises {excess, compared}: how far it is outside the
//   usual range (0 for inside), and the same in words. A function `judge` promises {bitsPerDim, pValue, heat, scale,
//   ends}: the share of usual images that are more unusual (or null), a picture of the bits of each pixel (or null), its
//   scale of colours, and the bits at both ends of the scale. Both pictures are promises of Blobs.
// - read(picture, label): the latents of an example.
// - encode(file, label, align): latents and facts of an image file, with its bitsPerDim and pValue.
// - animate(first, last, path, label): an animation from one latent to another and back, a Blob.
// - WHERE: a sentence about where images go.
// - JUDGES: a sentence about what `judge` compares.
// - LACKS: the ids of the page's elements for what the engine can't do.

export * from "./server.js";
