// An image file as the model sees it: cut around its centre and resized, as glowflow.data.image_file does.

/** The pixels (C, H, W), a Uint8Array, of an image file. It is put on white where it's transparent. */
export async function pixelsOf(file, [channels, height, width]) {
  const image = await opened(file, channels);
  const isSmall = image.width < width || image.height < height;
  return planes(isSmall ? enlarged(image, width, height) : reduced(image, width, height), channels);
}

/** An image's values, interleaved, with its size and its number of channels. */
async function opened(file, channels) {
  await check(file);
  const options = { imageOrientation: "from-image", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(file, options).catch(() => null);
  if (!bitmap) throw new Error("This file can't be read as an image by this browser: it's broken, or of an unknown kind.");
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  if (channels % 2) {
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, channels, data: converted(context.getImageData(0, 0, width, height).data, channels) };
}

/** Refuse a PNG with 16 bits of grey: the library maps its values by their range, and a browser doesn't. */
async function check(file) {
  const start = new Uint8Array(await file.slice(0, 26).arrayBuffer());
  const isPng = String.fromCharCode(...start.subarray(1, 4)) === "PNG";
  const [depth, colours] = start.subarray(24);
  if (isPng && depth === 16 && (colours === 0 || colours === 4)) {
    throw new Error("This page can't read PNG files with 16 bits of grey: save the image with 8 bits.");
  }
}

/** Red, green, blue and opacity as the model's channels. */
function converted(data, channels) {
  if (channels === 4) return data;
  const result = new Uint8ClampedArray((data.length / 4) * channels);
  for (let from = 0, to = 0; from < data.length; from += 4, to += channels) {
    const [r, g, b] = [data[from], data[from + 1], data[from + 2]];
    if (channels === 3) result.set([r, g, b], to);
    else result[to] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16; // as Pillow weighs them
  }
  return result;
}

/** The largest part with the aspect of the result, enlarged to a size. The part may begin and end within a pixel. */
function enlarged(image, width, height) {
  const across = Math.min(image.width, (image.height * width) / height);
  const down = Math.min(image.height, (image.width * height) / width);
  const [left, top] = [(image.width - across) / 2, (image.height - down) / 2];
  return resized(image, [left, left + across, width], [top, top + down, height]);
}

/** The largest part with the aspect of the result, in whole pixels, reduced to a size. */
function reduced(image, width, height) {
  const across = Math.min(image.width, nearestWhole((image.height * width) / height));
  const down = Math.min(image.height, nearestWhole((image.width * height) / width));
  const [left, top] = [(image.width - across) >> 1, (image.height - down) >> 1];
  const part = { ...image, width: across, height: down, data: cut(image, left, top, across, down) };
  return original(part, width, height) ?? resized(part, [0, across, width], [0, down, height]);
}

/** The nearest whole number. If two are equally near, it's the even one, as in Python. */
function nearestWhole(number) {
  const above = Math.round(number);
  return above - number === 0.5 && above % 2 ? above - 1 : above;
}

function cut({ data, width, channels }, left, top, across, down) {
  const result = new Uint8ClampedArray(across * down * channels);
  for (let row = 0; row < down; row++) {
    const start = ((top + row) * width + left) * channels;
    result.set(data.subarray(start, start + across * channels), row * across * channels);
  }
  return result;
}

/** The original of a size if the image repeats its pixels, as enlarged pictures of this page do; otherwise null. */
function original(image, width, height) {
  const small = nearest(image, width, height);
  const again = nearest({ ...image, width, height, data: small }, image.width, image.height);
  return again.every((value, i) => value === image.data[i]) ? small : null;
}

function nearest({ data, width, height, channels }, newWidth, newHeight) {
  const result = new Uint8ClampedArray(newWidth * newHeight * channels);
  for (let row = 0, to = 0; row < newHeight; row++) {
    const fromRow = Math.floor(((row + 0.5) * height) / newHeight) * width;
    for (let column = 0; column < newWidth; column++, to += channels) {
      const from = (fromRow + Math.floor(((column + 0.5) * width) / newWidth)) * channels;
      result.set(data.subarray(from, from + channels), to);
    }
  }
  return result;
}

/** Values of an image in another size, by Pillow's bicubic filter. Each of the others is [start, end, size]. */
function resized({ data, width, height, channels }, across, down) {
  const rows = filtered(data, [height, width, channels], across);
  return filtered(rows, [1, height, across[2] * channels], down);
}

/** Resize (outer, length, inner) values along their length, from the part between start and end to a size. */
function filtered(data, [outer, length, inner], [start, end, size]) {
  const result = new Uint8ClampedArray(outer * size * inner);
  const scale = (end - start) / size;
  const spread = Math.max(scale, 1);
  for (let i = 0; i < size; i++) {
    const centre = start + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - 2 * spread + 0.5));
    const last = Math.min(length, Math.trunc(centre + 2 * spread + 0.5));
    const weights = Array.from({ length: last - first }, (_, j) => bicubic((first + j - centre + 0.5) / spread));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let o = 0; o < outer; o++) {
      for (let k = 0; k < inner; k++) {
        let sum = 0;
        for (let j = first; j < last; j++) sum += weights[j - first] * data[(o * length + j) * inner + k];
        result[(o * size + i) * inner + k] = sum / total;
      }
    }
  }
  return result;
}

/** The cubic of Keys with a = -1/2. */
function bicubic(x) {
  const t = Math.abs(x);
  if (t >= 2) return 0;
  return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : ((-0.5 * t + 2.5) * t - 4) * t + 2;
}

/** Interleaved values as one plane after the other. */
function planes(data, channels) {
  const places = data.length / channels;
  const result = new Uint8Array(data.length);
  for (let i = 0; i < places; i++) for (let c = 0; c < channels; c++) result[c * places + i] = data[channels * i + c];
  return result;
}
