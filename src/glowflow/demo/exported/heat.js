// Heat maps: numbers at each pixel as colours, as in glowflow.scoring.heat.

import { picture } from "./picture.js";

/**
 * A map of deviations (H, W): {heat, scale, ends, caption}, both pictures as files. The scale of colours, red, green and
 * blue of each, reaches from 0 to the greatest number, or at least to `least`.
 */
export async function heatMap(values, [, height, width], { colours, least, caption }) {
  const ends = [0, values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, value) : most), least)];
  const places = Float64Array.from(values, (value) => shareOf(value, ends));
  const scale = Float64Array.from({ length: colours.length }, (_, i) => i / (colours.length - 1));
  return {
    heat: await coloured(places, [height, width], colours),
    scale: await coloured(scale, [1, colours.length], colours),
    ends,
    caption,
  };
}

/** The place of a number on the scale, from 0 to 1. What isn't a number is at the end. */
function shareOf(value, [low, high]) {
  return Number.isNaN(value) ? 1 : Math.min(Math.max((value - low) / (high - low), 0), 1);
}

/** The picture of numbers from 0 to 1. */
function coloured(shares, [height, width], colours) {
  const chosen = Array.from(shares, (share) => colours[Math.round((colours.length - 1) * share)]);
  const planes = [0, 1, 2].flatMap((channel) => chosen.map((colour) => colour[channel]));
  return picture(planes, [3, height, width]);
}
