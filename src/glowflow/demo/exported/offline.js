// The service worker of the exported page: it keeps the page's files, so that the page needs no network after the first
// visit. The export writes the first line: the folder of this version, and its files. An address in this folder always has
// the same content. The page that leads to it changes with each export, so it comes from the network if there is one.

const NAME = `${registration.scope} ${VERSION}`;
const PAGE = new URL("index.html", registration.scope).href;

addEventListener("install", (event) => event.waitUntil(keep()));

addEventListener("activate", (event) => event.waitUntil(takeOver()));

addEventListener("fetch", (event) => event.respondWith(event.request.mode === "navigate" ? newest(event.request) : file(event.request)));

async function keep() {
  const cache = await caches.open(NAME);
  await cache.addAll([...FILES, new Request(PAGE, { cache: "reload" })]);
  await skipWaiting();
}

/** Remove former versions, and answer for pages that are open already. */
async function takeOver() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(`${registration.scope} `) && name !== NAME).map((name) => caches.delete(name)));
  await clients.claim();
}

/** The page as the host has it now, or else the one that is kept. */
async function newest(request) {
  return fetch(request, { cache: "no-cache" }).catch(() => kept(PAGE));
}

async function file(request) {
  return (await kept(request)) ?? fetch(request);
}

/** What is kept of this version, if anything. (`caches.open` would make a cache again that a newer version has removed.) */
function kept(request) {
  return caches.match(request, { cacheName: NAME });
}
