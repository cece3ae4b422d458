// Facts about an image, in words.

/** How an image was made, in words; `edits` are pairs of a name and a strength. */
export function description({ face, other, blend, levels }, edits) {
  const parts = edits.map(([name, strength]) => `${name} ${signed(strength)}`);
  const drawn = levels.filter(({ take }) => take === "drawn").length;
  const taken = levels.filter(({ take }) => take === "other").length;
  if (drawn) parts.push(`${drawn} of ${levels.length} levels redrawn`);
  if (taken) parts.push(`${taken} of ${levels.length} levels of ${other.name}`);
  if (blend) parts.push(`${Math.round(100 * blend)}% of the way to ${other.name}`);
  const origin = face.temperature === null ? [] : [`Drawn at temperature ${face.temperature.toFixed(2)}`];
  return [...origin, ...parts].join(" · ");
}

/** A number with its sign. */
export function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

/** A sentence about the bits that the image takes, those that are usual, and its reconstruction. */
export function measure({ bitsPerDim, exact, faceFound, aligned }, usual) {
  const taken = bitsPerDim === null ? "Infinitely many bits/dim" : `${bitsPerDim.toFixed(3)} bits/dim`;
  const range = usual.bits_per_dim && ["1%", "99%"].map((share) => usual.bits_per_dim[share].toFixed(2)).join(" to ");
  const bits = range ? `${taken} (usual: ${range})` : taken;
  const back = exact ? "reconstructed exactly, every pixel" : "not reconstructed exactly";
  const face = aligned ? (faceFound ? "; a face was found" : "; no face was found, so the image was cut around its centre") : "";
  return `${bits}; ${back}${face}.`;
}

/** A sentence if the image is unlike the training images, or else an empty text. */
export function warning({ bitsPerDim }, usual) {
  if (!usual.bits_per_dim) return "";
  const low = usual.bits_per_dim["1%"];
  const high = usual.bits_per_dim["99%"];
  if (bitsPerDim === null || bitsPerDim > high) {
    return (
      `This image is unlike the images that the model was trained on (${usual.data}). 99% of those take at most ` +
      `${high.toFixed(2)} bits/dim, and this one takes more. Edits and blends of it may look strange.`
    );
  }
  if (bitsPerDim < low) {
    return (
      `This image is plainer than the images that the model was trained on (${usual.data}). 99% of those take at ` +
      `least ${low.toFixed(2)} bits/dim, and this one takes less. Edits and blends of it may look strange.`
    );
  }
  return "";
}

/** A sentence if edits led a picture out of the usual range, or notably further out, or else an empty text. */
export function leaving(before, after, { notably, fallen }) {
  if (after.excess <= (before.excess && before.excess + notably)) return "";
  const fate = after.excess > before.excess + fallen ? "has probably fallen apart" : "is unlike those that the model knows";
  return `The edited image takes ${after.compared}: it ${fate}. Move the sliders back a little.`;
}

/** The places of the usual range and of the image on a gauge, from 0 to 1; null if there is nothing to compare. */
export function gauge({ bitsPerDim }, usual) {
  if (!usual.bits_per_dim || bitsPerDim === null) return null;
  const low = usual.bits_per_dim["1%"];
  const high = usual.bits_per_dim["99%"];
  const padding = 0.4 * (high - low);
  const from = Math.min(low, bitsPerDim) - padding;
  const to = Math.max(high, bitsPerDim) + padding;
  const [start, end, at] = [low, high, bitsPerDim].map((value) => (value - from) / (to - from));
  return { start, end, at, text: `Usual: ${low.toFixed(2)} to ${high.toFixed(2)} bits/dim; this: ${bitsPerDim.toFixed(2)}` };
}
