// What the page says, beside the picture and to screen readers.

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
 * Say something for a while: as a "problem", or "unseen", to screen readers alone, where it's seen elsewhere; or what the
 * page is "working" at, until something else is said.
 */
export function say(text, kind = "") {
  status.className = kind;
  status.textContent = text;
  clearTimeout(silence);
  if (kind !== "working") silence = setTimeout(() => (status.textContent = ""), SECONDS_TO_READ * 1000);
}
