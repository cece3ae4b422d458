// What is asked for one after another for the same purpose: the last counts, in whatever order the answers come.

const asked = new Map();

/** What is promised, or null if something else has been asked for meanwhile for the same purpose. */
export async function latest(purpose, promise) {
  asked.set(purpose, promise);
  const value = await promise;
  return asked.get(purpose) === promise ? value : null;
}
