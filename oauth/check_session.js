// Tells an app's page, which holds this one in a frame, whether who is signed in here changed (OpenID Connect Session
// Management 1.0 §3.2). The origin goes into the hash, so an app learns about its own session_state only.
"use strict";

// Who signs out leaves a cookie that says so. Where there is none at all, the browser keeps it from a frame in another site's
// page, and nobody here can tell whether anything changed.
const browserState = () => /(?:^|; )sojourn_state=([^;]+)/.exec(document.cookie)?.[1];

async function judge(message, origin) {
  const [, clientID, sessionState, salt] = /^(\S+) ([0-9a-f]{64}\.(\S+))$/.exec(message) ?? [];
  const state = browserState();
  if (!salt || !state || !crypto.subtle) return "error";
  const text = new TextEncoder().encode([clientID, origin, state, salt].join(" "));
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  const hex = [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex}.${salt}` === sessionState ? "unchanged" : "changed";
}

addEventListener("message", async ({ data, origin, source }) => {
  if (origin === "null" || !source || source === window) return; // §4.1: an answer goes to a known origin only
  source.postMessage(await judge(String(data), origin), origin);
});
