// The visitor's own sliders, kept beyond a reload where they fit into the browser's storage.

/** Pairs of a name and a vector, that were kept for a model of D latents. */
export function recalled(model, numDims) {
  try {
    const sliders = JSON.parse(sessionStorage.getItem(key(model)) ?? "[]");
    return sliders.filter(([, vector]) => vector.length === numDims).map(([name, vector]) => [name, Float64Array.from(vector)]);
  } catch {
    return []; // the browser allows no storage, or what it stores isn't a list of sliders
  }
}

/** Keep pairs of a name and a vector, in place of those that were kept; none is kept if they don't fit. */
export function keep(model, sliders) {
  try {
    sessionStorage.removeItem(key(model));
    sessionStorage.setItem(key(model), JSON.stringify(sliders.map(([name, vector]) => [name, [...vector]])));
  } catch {
    // a reload loses them then
  }
}

/** Pages of one host at several addresses share their storage. */
function key(model) {
  return `${location.pathname.slice(1)}${model}`;
}
