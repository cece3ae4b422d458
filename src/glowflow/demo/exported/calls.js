// Calls of functions that a worker has. It gets one at a time, so that an urgent one never waits for many others.

export class Calls {
  #worker;
  #current = null; // the call that the worker has
  #waiting = [];
  #failure = null;

  /** @param url of the worker's module; @param otherwise the message of the error if it can't be run */
  constructor(url, otherwise) {
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#settle(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(otherwise));
    };
  }

  /** The promise of what a function gives for some values. An urgent call goes before those that wait. */
  call(name, values, isUrgent = false) {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting[isUrgent ? "unshift" : "push"]({ name, values, resolve, reject });
      this.#send();
    });
  }

  /** End the worker. */
  end() {
    this.#worker.terminate();
    this.#fail(new Error("The worker has ended."));
  }

  #send() {
    if (this.#current || !this.#waiting.length) return;
    this.#current = this.#waiting.shift();
    const { name, values } = this.#current;
    this.#worker.postMessage({ name, values });
  }

  #settle({ result, error }) {
    if (!this.#current) return; // it has failed
    const { resolve, reject } = this.#current;
    this.#current = null;
    if (error === undefined) resolve(result);
    else reject(new Error(error));
    this.#send();
  }

  #fail(error) {
    this.#failure = error;
    for (const { reject } of [this.#current, ...this.#waiting].filter(Boolean)) reject(error);
    this.#current = null;
    this.#waiting = [];
  }
}
