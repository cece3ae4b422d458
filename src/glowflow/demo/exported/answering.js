// The other side of calls.js: a worker answers calls of its functions.

/** Answer calls of functions, given by their names. */
export function answer(functions) {
  onmessage = async ({ data: { name, values } }) => {
    try {
      postMessage({ result: await functions[name](...values) });
    } catch (error) {
      postMessage({ error: error.message ?? String(error) });
    }
  };
}
