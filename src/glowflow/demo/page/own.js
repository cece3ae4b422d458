// The visitor's own sliders, kept beyond a reload where they fit into the browser's storage.

/** Pairs of a name and a vector, that were kept for a model of D latents. */
export function recalled(model, numDims) {
  try {
    const sliders = JSON.parse(sessionStorage.getItem(key(model)) ?? "[]");
    return sliders.filter(([, vector]) => vector.length === numDims).map(([name, vector]) => [name, Float64Array.from(vector)]);
  } catch {
    return []; // a browser that allows no storage, or what isn't ours
  }
}

/** Keep pairs of a name and a vector, in place of those before; none if they don't fit. */
export function keep(model, sliders) {
  try {
    sessionStorage.removeItem(key(model));
    sessionStorage.setItem(key(model), JSON.stringify(sliders.map(([name, vector]) => [name, [...vector]])));
  } catch {
    // then a reload loses them
  }
}

/** Pages of one host at several addresses share their storage. */
function key(model) {
  return `${location.pathname.slice(1)}${model}`;
}
