// An image as the part of a link behind the #: seeds and sliders. What came from a file has no such link.

const ATTRIBUTE = "a.";
const LEVEL = "level";

/** The text of a state; null if it needs more than seeds and the model's own directions. */
export function toHash(state, names) {
  const edits = Object.entries(state.strengths);
  if (state.face.seed === null || state.other?.seed === null) return null;
  if (edits.some(([name]) => !names.includes(name))) return null;
  const entries = [["seed", state.face.seed], ["t", state.face.temperature]];
  if (state.label !== null) entries.push(["class", state.label]);
  if (state.other) entries.push(["second", state.other.seed], ["t2", state.other.temperature]);
  if (state.other && state.blend) entries.push(["blend", state.blend], ["path", state.path]);
  state.levels.forEach((level, i) => level.take !== "own" && entries.push([`${LEVEL}${i}`, level.seed ?? level.take]));
  entries.push(...edits.map(([name, strength]) => [ATTRIBUTE + name, strength]));
  return new URLSearchParams(entries).toString();
}

/** What a text says, with what it doesn't say, or says wrongly, at its default; null if it names no seed. */
export function fromHash(text, names, numLevels, numClasses) {
  const values = new URLSearchParams(text.replace(/^#/, ""));
  const seed = whole(values.get("seed"));
  if (seed === null) return null;
  const second = whole(values.get("second"));
  return {
    face: { seed, temperature: within(values.get("t"), 0, 1.2, 0.7) },
    other: second === null ? null : { seed: second, temperature: within(values.get("t2"), 0, 1.2, 0.7) },
    blend: within(values.get("blend"), 0, 1, 0),
    path: values.get("path") === "spherical" ? "spherical" : "linear",
    label: numClasses ? Math.min(whole(values.get("class")) ?? 0, numClasses - 1) : null,
    levels: Array.from({ length: numLevels }, (_, i) => level(values.get(`${LEVEL}${i}`), second)),
    strengths: Object.fromEntries(
      names.map((name) => [name, within(values.get(ATTRIBUTE + name), -1, 1, 0)]).filter(([, strength]) => strength),
    ),
  };
}

function level(text, second) {
  if (text === "other" && second !== null) return { take: "other" };
  const seed = whole(text);
  return seed === null ? { take: "own" } : { take: "drawn", seed };
}

function whole(text) {
  return text && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function within(text, low, high, otherwise) {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  return value >= low && value <= high ? value : otherwise;
}
