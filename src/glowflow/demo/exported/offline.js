// The service worker of the exported page: it keeps the page's files, so that the page needs no network after the first
// visit. The export writes the first line, which names the files and changes with them.

const NAME = `${registration.scope} ${VERSION}`;

addEventListener("install", (event) => event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES))));

addEventListener("activate", (event) => event.waitUntil(removeFormer()));

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const cache = await caches.open(NAME);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}

async function removeFormer() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(`${registration.scope} `) && name !== NAME).map((name) => caches.delete(name)));
}
