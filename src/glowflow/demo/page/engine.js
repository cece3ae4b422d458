// What computes for the page. An engine is a module with the functions below; this one line chooses it. The exported page
// (`glowflow export web`) has "./browser.js" here.
//
// - getModel(): the facts about the model, as /api/model gives them.
// - getDirections(): the vectors (D,) of the model's attributes, one after the other, a Float32Array.
// - getExamples(): a few images of the model's test data, {image, label, digest, latents}, as /api/examples gives them. An
//   image may have its latents, float32 in base64.
// - getLatent(seed): standard normal latents of a seed, a Float64Array (D,).
// - decode(z, label, isUrgent): the picture of latents: for a Float32Array a fast one, a Blob or an ImageData, and for a
//   Float64Array one that is as exact as the engine can, a Blob. An urgent one goes before others. An exact picture has a
//   function `unusual`, which promises {excess, compared}: how far it is outside the usual range (0 for inside), and the
//   same in words. A function `judge` promises {bitsPerDim, pValue, map}: the share of usual images that are more unusual
//   (or null), and a map of numbers at each pixel (or null). The map is {heat, scale, ends, caption}: pictures of the map
//   and of its colours, Blobs, the numbers at both ends of the colours, and what the numbers are.
// - read(picture, label): the latents of an example.
// - encode(file, label, align): latents and facts of an image file, with its bitsPerDim and pValue.
// - animate(first, last, path, label): an animation from one latent to another and back, a Blob.
// - onDrawing(listener): calls the listener with a sentence about what draws the pictures, whenever this changes.
// - WHERE: a sentence about where images go.
// - judges(model): a sentence about what `judge` compares; empty if it compares nothing.
// - LACKS: the ids of the page's elements for what the engine can't do.
// - MOST_SIDE: the page reduces an image of more pixels a side before the engine gets it.

export * from "./server.js";
