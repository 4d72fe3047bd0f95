// The page: shows what the session has, and turns buttons into calls.
import { Failure, Session, claims, header } from "./session.js";

const at = (id) => document.getElementById(id);
let session;

function show() {
  const tokens = session.tokens;
  at("out").hidden = Boolean(tokens);
  at("in").hidden = !tokens;
  if (!tokens) {
    at("title").textContent = "See what an app gets";
    at("sentence").textContent = "Notes is a sample. Sign in, and it shows the tokens that it was given.";
    at("answer").hidden = true;
    return;
  }
  const id = claims(tokens.id_token);
  at("title").textContent = "You are signed in";
  at("sentence").textContent = `As ${id.name ?? id.email ?? "user " + id.sub}, with ${id.amr.includes("mfa") ? "password and code" : "a password"}.`;
  write("id-claims", id);
  write("id-header", header(tokens.id_token));
  write("access-claims", claims(tokens.access_token));
  write("access-header", header(tokens.access_token));
  tick();
}

function write(id, value) {
  at(id).textContent = JSON.stringify(value, null, 2);
}

function tick() {
  const tokens = session.tokens;
  if (!tokens) return;
  const left = Math.round((tokens.expires_at - Date.now()) / 1000);
  at("left").textContent = left > 0 ? `good for ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : "expired; a refresh brings another";
  at("session").textContent = tokens.session_expires_at
    ? "in " + span(tokens.session_expires_at - Date.now()) + " at the latest"
    : "when the server says so";
}

function span(ms) {
  const hours = Math.max(0, Math.round(ms / 3_600_000));
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

function say(message) {
  at("notice").textContent = message ?? "";
  at("notice").hidden = !message;
}

// does runs one job for a button: the button rests meanwhile, and what went wrong is said.
async function does(button, job) {
  button.disabled = true;
  say();
  try {
    await job();
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    say(failure.message);
  } finally {
    button.disabled = false;
    show();
  }
}

async function askUserinfo() {
  write("answer-claims", await session.userinfo());
  at("answer").hidden = false;
  at("answer").scrollIntoView({ block: "nearest" });
}

async function refresh() {
  await session.refresh();
  say("New tokens have arrived.");
}

async function start() {
  try {
    session = await Session.open();
    await session.finish();
  } catch (failure) {
    say(failure.message);
    if (!session) return void (at("title").textContent = "The server is away");
  }
  const jobs = { signin: () => session.signIn(), refresh, userinfo: askUserinfo, signout: () => session.signOut() };
  for (const [id, job] of Object.entries(jobs)) at(id).onclick = (event) => does(event.currentTarget, job);
  addEventListener("storage", show); // another tab refreshed or signed out
  setInterval(tick, 1000);
  show();
}

start();
