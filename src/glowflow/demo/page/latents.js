// The arithmetic of latents. A latent is a Float64Array (D,): level 0 first, the top last.

/** Latents that stand one after the other, as one (D,) for each. */
export function divided(numbers, numDims) {
  return Array.from({ length: numbers.length / numDims }, (_, i) => numbers.subarray(i * numDims, (i + 1) * numDims));
}

/** z * temperature. */
export function scaled(z, temperature) {
  return Float64Array.from(z, (value) => temperature * value);
}

/** z plus strength times vector, for each pair of [vector (D,), strength]. */
export function moved(z, moves) {
  const result = Float64Array.from(z);
  for (const [vector, strength] of moves) {
    for (let i = 0; i < result.length; i++) result[i] += strength * vector[i];
  }
  return result;
}

/** The point at a share, 0 to 1, of the way from one latent to another, as in glowflow.latents.interpolate. */
export function between(first, last, share, path) {
  if (share === 0) return first;
  if (share === 1) return last;
  return path === "spherical" ? spherical(first, last, share) : combined(first, last, 1 - share, share);
}

/** A latent whose levels come from those in `sources`, (L,): one latent for each level. */
export function mixed(sources, slices) {
  const result = new Float64Array(slices.at(-1).end);
  slices.forEach(({ start, end }, level) => result.set(sources[level].subarray(start, end), start));
  return result;
}

/** The mean of some latents minus that of others. */
export function difference(having, without) {
  return combined(mean(having), mean(without), 1, -1);
}

/** The place of each level's latents in a flat one, from their shapes. */
export function levelSlices(shapes) {
  let end = 0;
  return shapes.map((shape) => {
    const start = end;
    end += shape[0] * shape[1] * shape[2];
    return { start, end, shape };
  });
}

function combined(first, last, a, b) {
  return first.map((value, i) => a * value + b * last[i]);
}

function mean(latents) {
  const sum = latents.slice(1).reduce((total, z) => combined(total, z, 1, 1), latents[0]);
  return scaled(sum, 1 / latents.length);
}

function spherical(first, last, share) {
  const lengths = [Math.sqrt(dot(first, first)), Math.sqrt(dot(last, last))];
  const cosine = dot(first, last) / (lengths[0] * lengths[1]);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const sine = Math.sin(angle);
  if (!(sine > 1e-6)) return combined(first, last, 1 - share, share); // they lie on one line, or one is 0
  const length = (1 - share) * lengths[0] + share * lengths[1];
  const a = (length * Math.sin((1 - share) * angle)) / (sine * lengths[0]);
  const b = (length * Math.sin(share * angle)) / (sine * lengths[1]);
  return combined(first, last, a, b);
}

function dot(first, last) {
  return first.reduce((sum, value, i) => sum + value * last[i], 0);
}
