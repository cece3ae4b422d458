// The range of usual pictures, as in glowflow.latents.usual.

/** How far a picture is outside the range: 0 is inside, and 1 is as far as from the range's middle to its end. */
export function excess({ middle, highest, extremes }, seen) {
  if (!Number.isFinite(seen.bitsPerDim)) return Infinity;
  const bits = (seen.bitsPerDim - highest) / Math.max(highest - middle, 1e-9);
  return Math.max(0, bits, seen.extremes / extremes - 1);
}

/** The end of a sentence "it takes ..." about a picture outside the range. */
export function compared({ highest, extremes }, seen) {
  const taken = Number.isFinite(seen.bitsPerDim) ? seen.bitsPerDim.toFixed(2) : "infinitely many";
  const bits = `${taken} bits/dim, where at most ${highest.toFixed(2)} are usual`;
  if (seen.extremes <= extremes) return bits;
  return `${bits}, and ${Math.round(100 * seen.extremes)}% of its values are the lowest or the highest possible`;
}
