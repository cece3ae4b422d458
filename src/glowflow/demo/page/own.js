// The visitor's own sliders. They survive a reload if they fit into the browser's storage.

/** The pairs of a name and a vector (D,) that were kept for a model. */
export function recalled(model, numDims) {
  try {
    const sliders = JSON.parse(sessionStorage.getItem(key(model)) ?? "[]");
    return sliders.filter(([, vector]) => vector.length === numDims).map(([name, vector]) => [name, Float64Array.from(vector)]);
  } catch {
    return []; // the browser allows no storage, or what it stores isn't a list of sliders
  }
}

/** Keep pairs of a name and a vector instead of the earlier ones; none is kept if they don't fit. */
export function keep(model, sliders) {
  try {
    sessionStorage.removeItem(key(model));
    sessionStorage.setItem(key(model), JSON.stringify(sliders.map(([name, vector]) => [name, [...vector]])));
  } catch {
    // then a reload loses them
  }
}

/** The address is in the key, because all pages of a host share its storage. */
function key(model) {
  return `${location.pathname.slice(1)}${model}`;
}
