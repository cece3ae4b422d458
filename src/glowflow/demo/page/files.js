// Files in and out: drop zones, pasted images, downloads.

/** Let an element take files that are dropped on it or chosen by an input within: `onFiles(files)`. */
export function takesFiles(element, onFiles) {
  const input = element.querySelector("input[type=file]");
  input.addEventListener("change", () => {
    onFiles([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });
  if (element.classList.contains("drop")) takesDrops(element, onFiles);
}

/** Let an element take files that are dropped on it. */
export function takesDrops(element, onFiles) {
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("over");
  });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    element.classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (files.length) onFiles(files);
  });
}

/** Take images pasted anywhere. */
export function takesPastes(onFiles) {
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) onFiles(files);
  });
}

/** Let the browser save a Blob. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The latents in a file of float64 or float32, as their number says. */
export async function readLatents(file, numDims) {
  const kind = { [8 * numDims]: Float64Array, [4 * numDims]: Float32Array }[file.size];
  const z = kind ? Float64Array.from(new kind(await file.arrayBuffer())) : new Float64Array([NaN]);
  if (!z.every(Number.isFinite)) throw new Error(`${file.name} holds no latents of this model.`);
  return z;
}
