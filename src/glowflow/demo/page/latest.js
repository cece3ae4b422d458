// Requests for the same purpose: the last one counts, in whatever order the answers come.

const asked = new Map();

/** The promised value, or null if another value was requested for the same purpose in the meantime. */
export async function latest(purpose, promise) {
  asked.set(purpose, promise);
  const value = await promise;
  return asked.get(purpose) === promise ? value : null;
}
