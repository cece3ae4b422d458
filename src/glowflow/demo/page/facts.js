// Facts about an image, in words.

const UNUSUAL = 0.05; // p-values
const VERY_UNUSUAL = 0.01;

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

/** A sentence about the bits that an image takes, and those that are usual. */
export function bits({ bitsPerDim }, usual) {
  const taken = bitsPerDim === null ? "Infinitely many bits/dim" : `${bitsPerDim.toFixed(3)} bits/dim`;
  const range = usual.bits_per_dim && ["1%", "99%"].map((share) => usual.bits_per_dim[share].toFixed(2)).join(" to ");
  return range ? `${taken} (usual: ${range}).` : `${taken}.`;
}

/** A sentence about what comes back from the latents of an image that was read. */
export function reconstruction({ exact, faceFound, aligned }) {
  const back = exact ? "Reconstructed exactly, every pixel" : "Not reconstructed exactly";
  const face = aligned ? (faceFound ? "; a face was found" : "; no face was found, so the image was cut around its centre") : "";
  return `${back}${face}.`;
}

/** Is an image usual? {text, isUnusual}, by its p-value if there is one, else by its bits/dim. The text may be empty. */
export function verdict({ bitsPerDim, pValue }, usual) {
  if (pValue !== null) return byPValue(pValue, usual);
  if (usual.bits_per_dim) return byBits(bitsPerDim ?? Infinity, usual);
  return { text: "", isUnusual: false };
}

/** What an unusual image means for its edits. */
export const STRANGE = "Edits and blends of it may look strange.";

function byPValue(pValue, { data }) {
  const count = Math.round(100 * pValue);
  const isUnusual = pValue < UNUSUAL;
  const kind = pValue < VERY_UNUSUAL ? "Very unusual" : isUnusual ? "Unusual" : "Usual";
  const others = count === 0 ? "fewer than 1 is" : `${isUnusual ? "only " : ""}about ${count} ${count > 1 ? "are" : "is"}`;
  return { text: `${kind}: of 100 unseen images of ${data}, ${others} more unusual than this one.`, isUnusual };
}

function byBits(bitsPerDim, { data, bits_per_dim: { "1%": low, "99%": high } }) {
  const [kind, range] =
    bitsPerDim > high
      ? ["unlike", `at most ${high.toFixed(2)}`]
      : bitsPerDim < low
        ? ["plainer than", `at least ${low.toFixed(2)}`]
        : [];
  if (!kind) return { text: `Its bits/dim are usual for images of ${data}.`, isUnusual: false };
  const text = `This image is ${kind} the usual images (${data}). 99 of 100 of them take ${range} bits/dim.`;
  return { text, isUnusual: true };
}

/** A sentence if edits led a picture out of the usual range, or notably further out, or else an empty text. */
export function leaving(before, after, { notably, fallen }) {
  if (after.excess <= (before.excess && before.excess + notably)) return "";
  const fate = after.excess > before.excess + fallen ? "has probably fallen apart" : "is unlike the images that the model knows";
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
