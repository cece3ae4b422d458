// A surprise: strengths for a few attributes, far enough to be seen, and not so far that the picture becomes unusual.

const FEWEST = 2;
const MOST = 4;
const FROM = 0.4; // of the way to the end of a slider's usual range
const TO = 0.8;
const VISIBLE = 0.25; // the strength of an edit that can be seen
const UPWARDS = 0.75; // the share of values above 0
const OPPOSED = -0.2; // the cosine of two directions that would undo each other
const MOST_TRIES = 4;

/** The sliders among some with which pictures stay usual when they change visibly, or whose range isn't known. */
export function movable(sliders) {
  return sliders.filter(({ range }) => !range || visible(range).length);
}

/** The ends of a range that are far enough from 0 to be seen. */
function visible(range) {
  return range.filter((end) => Math.abs(end) >= VISIBLE);
}

/**
 * Strengths of attributes by name; null if each try is unusual.
 *
 * @param sliders {strengthsOf(value), range, vector} of each movable one; the range is [least, most], or null
 * @param isUsual promises whether the picture with some strengths is usual
 * @param draw gives random numbers from 0 to 1
 */
export async function surprising(sliders, isUsual, draw = Math.random) {
  const chosen = compatible(shuffled(sliders, draw), FEWEST + Math.floor(draw() * (MOST - FEWEST + 1)));
  const values = chosen.map(({ range }) => moderate(range ?? [-1, 1], draw));
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const strengths = Object.assign({}, ...chosen.map(({ strengthsOf }, i) => strengthsOf(rounded(values[i]))));
    const some = Object.fromEntries(Object.entries(strengths).filter(([, strength]) => strength));
    if (await isUsual(some)) return some;
    values.forEach((value, i) => (values[i] = 0.6 * value)); // together they went too far
  }
  return null;
}

/** A value between a part of the way to a visible end of a range and most of it, more often upwards, which shows more. */
function moderate(range, draw) {
  const ends = visible(range);
  const end = ends.at(draw() < UPWARDS ? -1 : 0);
  return end * (FROM + (TO - FROM) * draw());
}

/** The first few sliders, without those that would undo an earlier one. */
function compatible(sliders, count) {
  const chosen = [];
  for (const slider of sliders) {
    if (chosen.length < count && chosen.every((other) => cosine(slider.vector, other.vector) > OPPOSED)) chosen.push(slider);
  }
  return chosen;
}

function cosine(one, other) {
  return dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other));
}

function dot(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
}

function shuffled(items, draw) {
  return items
    .map((item) => [draw(), item])
    .sort(([one], [other]) => one - other)
    .map(([, item]) => item);
}

function rounded(value) {
  return Math.round(100 * value) / 100;
}
