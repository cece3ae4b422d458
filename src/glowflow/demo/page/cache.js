// Promises that are kept.

/** The promise in a cache, or a new one. A promise that fails is removed, so that it is made again when needed. */
export function cached(cache, key, get) {
  if (!cache.has(key)) {
    cache.set(key, get());
    cache.get(key).catch(() => cache.delete(key));
  }
  return cache.get(key);
}
