// The shell of Notes for days without a network: the newest that came, else what came last.
const shell = ["phone.html", "phone.js", "notes.js", "faults.js", "sdk.js", "app.css", "demo.css", "icon.svg", "manifest.webmanifest", "settings.json"];

self.addEventListener("install", (event) => event.waitUntil(caches.open("notes").then((cache) => cache.addAll(shell))));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin || !shell.includes(url.pathname.slice(1))) return;
  event.respondWith(fresh(event.request));
});

async function fresh(request) {
  const cache = await caches.open("notes");
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(request.url.replace(/\?.*/, ""), answer.clone());
    return answer;
  } catch {
    return (await cache.match(request, { ignoreSearch: true })) ?? Response.error();
  }
}
