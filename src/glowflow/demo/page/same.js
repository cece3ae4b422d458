// Comparing states, or parts of them. A state is never changed, so most equal parts are one object.

export function isSame(one, other) {
  if (one === other) return true;
  if (!(one instanceof Object && other instanceof Object)) return false;
  if (ArrayBuffer.isView(one)) return one.length === other.length && one.every((value, i) => value === other[i]);
  return Object.keys({ ...one, ...other }).every((key) => isSame(one[key], other[key]));
}
