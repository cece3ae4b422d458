// Bytes that come as text.

export function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

export function png(text) {
  return new Blob([bytes(text)], { type: "image/png" });
}
