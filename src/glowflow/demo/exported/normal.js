// Random numbers of the exported page. They follow from a seed, so a link can lead to a random image.

/** Standard normal numbers (size,) of a seed, a whole number, by the method of Box and Muller. */
export function normal(seed, size) {
  const uniform = uniforms(seed);
  const numbers = new Float64Array(size);
  for (let i = 0; i < size; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    numbers[i] = Math.fround(radius * Math.cos(angle));
    if (i + 1 < size) numbers[i + 1] = Math.fround(radius * Math.sin(angle));
  }
  return numbers;
}

/** A function that gives uniform numbers in (0, 1), by a counter of 64 bits and the finaliser of SplitMix64. */
function uniforms(seed) {
  let state = BigInt(seed);
  return () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return (Number((z ^ (z >> 31n)) >> 11n) + 0.5) / 2 ** 53;
  };
}
