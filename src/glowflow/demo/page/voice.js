// Messages of the page, beside the picture and to screen readers.

const SECONDS_TO_READ = 12;

const status = document.getElementById("status");
let silence; // the timer that clears the message

/** Do something, and report what goes wrong. */
export function attempt(action) {
  return Promise.resolve().then(action).catch(complain);
}

export function complain(error) {
  say(error.message, "problem");
}

/**
 * Show a message for a while. A "problem" is marked, and an "unseen" message is for screen readers alone. What the page is
 * "working" at stays until the next message.
 */
export function say(text, kind = "") {
  status.className = kind;
  status.textContent = text;
  clearTimeout(silence);
  if (kind !== "working") silence = setTimeout(() => (status.textContent = ""), SECONDS_TO_READ * 1000);
}
