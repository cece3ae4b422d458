// Values as pictures: as pixels for a canvas, and as PNG files. A canvas could write files too, but it would change the
// colours of transparent pixels.

const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
const COLOURS = { 1: 0, 3: 2, 4: 6 }; // the file's kind of colours for a number of channels

/** An image (C, H, W), 8 bits, as pixels, an ImageData. It shows the channels that `picture` shows. */
export function pixels(image, [channels, height, width]) {
  const size = height * width;
  const shown = numShown(channels);
  const result = new ImageData(width, height);
  for (let place = 0; place < size; place++) {
    for (let c = 0; c < 4; c++) {
      const isColour = c < 3 || shown === 4;
      result.data[4 * place + c] = isColour ? image[(shown === 1 ? 0 : c) * size + place] : 255;
    }
  }
  return result;
}

/** An image (C, H, W), 8 bits, as a file. It shows the first of 2 channels, and the first three of more than 4. */
export async function picture(image, [channels, height, width]) {
  const shown = numShown(channels);
  const header = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 8, COLOURS[shown], 0, 0, 0);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  const content = await compressed(rows(image, shown, height, width));
  const chunks = [chunk("IHDR", header), chunk("IDAT", content), chunk("IEND", new Uint8Array())];
  return new Blob([SIGNATURE, ...chunks], { type: "image/png" });
}

function numShown(channels) {
  return channels > 4 ? 3 : channels === 2 ? 1 : channels;
}

/** The values, row by row. Each row begins with the number of its filter, 0 for none. */
function rows(image, channels, height, width) {
  const result = new Uint8Array(height * (1 + width * channels));
  for (let row = 0, to = 0; row < height; row++) {
    to++;
    for (let place = row * width; place < (row + 1) * width; place++) {
      for (let c = 0; c < channels; c++) result[to++] = image[c * height * width + place];
    }
  }
  return result;
}

async function compressed(values) {
  const stream = new Blob([values]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A part of the file: its length, its name, its content, and a checksum of the last two. */
function chunk(name, content) {
  const result = new Uint8Array(content.length + 12);
  const view = new DataView(result.buffer);
  view.setUint32(0, content.length);
  result.set([...name].map((letter) => letter.charCodeAt(0)), 4);
  result.set(content, 8);
  view.setUint32(content.length + 8, checksum(result.subarray(4, content.length + 8)));
  return result;
}

/** CRC-32. */
function checksum(values) {
  let remainder = 0xffffffff;
  for (const value of values) {
    remainder ^= value;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  }
  return ~remainder >>> 0;
}
