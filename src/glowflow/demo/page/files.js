// Reading and saving files: drop zones, pasted images, downloads; large images are made smaller.

const SIGNS = {
  "image/png": /^\x89PNG/,
  "image/jpeg": /^\xff\xd8/,
  "image/webp": /^RIFF.{4}WEBP/s,
  "image/gif": /^GIF8/,
  "image/bmp": /^BM/,
  "image/tiff": /^(II\*|MM\0)/,
};

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

/** A file with the type that its first bytes show, whatever its name is. */
export async function typed(file) {
  const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  const type = Object.keys(SIGNS).find((kind) => SIGNS[kind].test(start)) ?? "";
  return new File([file], file.name, { type });
}

/**
 * What to encode for an image file, and its size in pixels: the file itself, or a smaller image if it has more than
 * `mostSide` pixels a side. A file that this browser can't read, such as a TIFF, is left to the engine.
 */
export async function reduced(file, mostSide) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" }).catch(() => null);
  if (!bitmap) return { body: file };
  const { width, height } = bitmap;
  const scale = mostSide / Math.max(width, height);
  if (scale >= 1) return { body: file, width, height };
  const canvas = new OffscreenCanvas(Math.ceil(scale * width), Math.ceil(scale * height));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const type = file.type === "image/jpeg" ? file.type : "image/png"; // all others may be transparent
  return { body: await canvas.convertToBlob({ type, quality: 0.95 }), width, height };
}

/** Let the browser save a Blob. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The latents in a file of float64 or float32; the size of the file shows which. */
export async function readLatents(file, numDims) {
  const kind = { [8 * numDims]: Float64Array, [4 * numDims]: Float32Array }[file.size];
  const z = kind ? Float64Array.from(new kind(await file.arrayBuffer())) : new Float64Array([NaN]);
  if (!z.every(Number.isFinite)) throw new Error(`${file.name} holds no latents of this model.`);
  return z;
}
