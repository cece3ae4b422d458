// Buttons that are small pictures.

/** A button with an empty canvas. */
export function thumbButton(value, label, action) {
  const button = document.createElement("button");
  button.type = "button";
  button.value = value;
  button.title = button.ariaLabel = label;
  const canvas = document.createElement("canvas");
  canvas.className = "thumb";
  button.append(canvas);
  button.onclick = action;
  return button;
}
