// Sliders with a name, a value and a way back to 0; attributes in groups.

const GROUPS = [
  ["Yours", null],
  ["Hair", /hair|bald|bangs|hairline|sideburn/i],
  ["Eyes and brows", /eye(?!glass)|brow/i],
  ["Beard", /beard|mustache|goatee|shadow/i],
  ["Mouth", /mouth|smil|frown|lips?\b|lipstick/i],
  ["Worn", /wear|glass|hat\b|suit|necklace|necktie|earring/i],
  ["Skin and face", /skin|cheek|chin|nose|face|young|male|makeup|attractive/i],
  ["More", /(?:)/],
];

/** "Mouth_Open" as words: "Mouth open". */
export function inWords(name) {
  const words = name.replaceAll("_", " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Names in their groups: pairs of a title and its names, without empty groups. */
export function grouped(names, own) {
  const titles = new Map(GROUPS.map(([title]) => [title, []]));
  for (const name of names) {
    const [title] = own.includes(name) ? GROUPS[0] : GROUPS.find(([, pattern]) => pattern?.test(name.replaceAll("_", " ")));
    titles.get(title).push(name);
  }
  return [...titles].filter(([, members]) => members.length);
}

/** Make a slider: `onInput(value)` while it moves, `onChange(value)` when it's let go. */
export function slider(row, { value, onInput, onChange }) {
  const input = row.querySelector("input");
  input.addEventListener("input", () => onInput(show(row, Number(input.value))));
  input.addEventListener("change", () => onChange(Number(input.value)));
  const back = () => onChange(show(row, Number(input.defaultValue)));
  input.addEventListener("dblclick", back);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") back();
  });
  show(row, value);
  return row;
}

/** Let a slider show a value, which is returned. */
export function show(row, value) {
  const input = row.querySelector("input");
  const output = row.querySelector(".value"); // for the eye: to others the input says it
  input.value = value;
  const [low, high] = [Number(input.min), Number(input.max)];
  const zero = Math.max(0, -low / (high - low));
  const share = (Number(input.value) - low) / (high - low);
  input.style.setProperty("--from", `${100 * Math.min(zero, share)}%`);
  input.style.setProperty("--to", `${100 * Math.max(zero, share)}%`);
  const text = Number(input.value).toFixed(2).replace("-", "−");
  if (output) output.textContent = text;
  input.setAttribute("aria-valuetext", text);
  row.classList.toggle("moved", Number(input.value) !== Number(input.defaultValue));
  return Number(input.value);
}
