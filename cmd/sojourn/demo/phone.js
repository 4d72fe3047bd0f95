// Notes, as it runs on one phone. On the stage it is in a frame, and hears from there what happens to the phone.
import { browserPorts, createApp, finishHere, isKind, memoryStore } from "./sdk.js";
import { Faults } from "./faults.js";
import { Notes } from "./notes.js";

const at = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const staged = parent !== window;
const lists = asked.get("app") === "lists";
const names = { a: "Ada’s phone", b: "Ada’s other phone", thief: "Someone else’s phone", own: "This browser" };
const phone = staged && Object.hasOwn(names, asked.get("phone")) ? asked.get("phone") : "own";
const store = [lists ? "lists" : "notes", phone, asked.has("key") ? "key" : "plain"].join("-");
const tell = (what) => staged && parent.postMessage({ phone, ...what }, location.origin);
const faults = new Faults((refresh) => tell({ refresh }));

// systemBrowser is what shows the sign-in: a window of its own, for no page of the server may be framed.
const systemBrowser = {
  open: (url, _redirect, signal) => new Promise((resolve) => {
    const channel = new BroadcastChannel("sign-in");
    const state = new URL(url).searchParams.get("state");
    const opened = window.open(url, "sign-in", "popup,width=440,height=780");
    blocked = !opened;
    const done = (how) => (clearInterval(watch), channel.close(), resolve(how));
    const watch = setInterval(() => (!opened || opened.closed) && done({ type: "closed" }), 500);
    signal.addEventListener("abort", () => done({ type: "closed" }), { once: true });
    channel.onmessage = ({ data }) => {
      if (!data.answer || new URL(data.answer).searchParams.get("state") !== state) return;
      channel.postMessage("taken");
      done({ type: "redirect", url: data.answer });
    };
  }),
};

async function ports() {
  const { keys, ...usual } = browserPorts(store);
  if (staged) usual.browser = systemBrowser;
  if (phone !== "thief") return { ...usual, ...((asked.has("key") || !staged) && { keys }) };
  const stolen = memoryStore();
  await stolen.save(await new Promise((resolve) => {
    addEventListener("message", ({ data, origin }) => origin === location.origin && data.stolen && resolve(data.stolen));
    tell({ ready: true });
  }));
  return { ...usual, lock: undefined, store: stolen };
}

let app, notes, kept, settings, last, blocked;

async function show() {
  const { status, identity, ended } = await app.state();
  const inside = status === "signed_in";
  const turned = at("in").hidden === inside && document.activeElement?.closest("#in, #out");
  at("in").hidden = !inside;
  at("out").hidden = inside;
  at("title").textContent = inside ? `${identity?.name?.split(" ")[0] ?? "Your"}’s ${lists ? "lists" : "notes"}` : status === "ended" ? "Please sign in again" : "Welcome";
  if (ended) say(ended.message);
  if (turned) at("title").focus(); // the button that had the focus is gone
  draw();
  const { session } = (await kept.load()) ?? {};
  if (inside && session) last = session;
  tell({ status, reason: ended?.reason, sid: session?.sid, refreshToken: session?.refresh });
}

function draw() {
  const held = document.activeElement?.dataset.note;
  at("list").replaceChildren(...notes.list.map((note) => {
    const item = document.createElement("li");
    const remove = Object.assign(document.createElement("button"), { className: "link", textContent: "Delete", onclick: () => (notes.remove(note.id), draw(), sync()) });
    remove.setAttribute("aria-label", `Delete “${note.text}”`);
    remove.dataset.note = note.id;
    const text = document.createElement("span");
    text.textContent = note.text + (note.waits ? " · not sent yet" : "");
    item.append(text, remove);
    return item;
  }));
  if (held) ([...document.querySelectorAll("[data-note]")].find((one) => one.dataset.note === held) ?? at("text")).focus();
  at("net").textContent = faults.offline || !navigator.onLine ? "No network" : phone === "own" ? names.own : "Online";
}

function say(message) {
  at("notice").textContent = message ?? "";
}

// sync tries again and again while there is no answer: at the end of a tunnel nobody calls.
let later;

async function sync() {
  clearTimeout(later);
  try {
    await notes.sync();
    say();
  } catch (error) {
    if (!isKind(error, "ended", "signed_out")) {
      say("No answer yet. What you wrote is safe here, and you stay signed in.");
      later = setTimeout(sync, 3000);
    }
  }
  draw();
}

async function signIn() {
  say();
  try {
    await app.signIn({ extra: { login_hint: settings.user } });
  } catch (error) {
    if (!isKind(error, "cancelled")) say(error.message);
    else if (blocked) say("Your browser did not let the sign-in window open. Allow windows for this page, and press again.");
  }
  await show();
  await sync();
}

// knock shows the token that the phone had to the notes API until that refuses it. A token that is bound to a key needs its
// proof there, so this shows nothing for such a one.
async function knock() {
  if (!last || last.jkt) return;
  for (const began = Date.now(); Date.now() - began < 10_000; await new Promise((next) => setTimeout(next, 100))) {
    const { status } = await fetch("notes", { headers: { Authorization: `Bearer ${last.access}` } });
    if (status === 401) return tell({ refusedAt: Date.now() });
  }
}

// refresh asks for new tokens now, as an app does by itself every ten minutes. Each press waits its turn: one that joined the request
// under way would be none.
let turn = Promise.resolve();
const refresh = () => (turn = turn.then(renew, renew));

async function renew() {
  try {
    await app.token({ fresh: true });
  } catch (error) {
    if (!isKind(error)) throw error; // what it means for the session, state says
  }
  await show();
}

const commands = {
  refresh,
  drop: () => ((faults.drop = true), refresh()),
  tunnel: ({ seconds }) => (faults.tunnel(seconds), sync(), refresh()),
  lift: ({ on }) => ((faults.lift = on), on && refresh()),
  kill: async () => {
    faults.drop = true;
    faults.told = (refresh) => (tell({ refresh }), refresh.lost && location.reload());
    await refresh();
  },
  steal: async () => tell({ loot: (({ discovery, learnt, identity, session }) => ({ v: 1, discovery, learnt, identity, session: { ...session, jkt: undefined, type: "Bearer" } }))(await kept.load()) }),
};

async function start() {
  settings = await fetch("settings.json").then((answer) => answer.json(), () => {
    throw new Error("The demo’s server is away. Start it again, then reload this page.");
  });
  const use = await ports();
  kept = use.store;
  app = createApp({
    issuer: settings.issuer, clientId: lists ? settings.lists : settings.client_id, scope: settings.apps, apis: [location.origin + "/notes"],
    redirectUri: location.origin + (staged ? "/callback" : "/phone.html"), device: { name: names[phone].replace("’", "'") }, ...use, fetch: faults.fetch,
  });
  at("app").textContent = document.title = lists ? "Lists" : "Notes";
  if (phone === "thief") document.body.classList.add("thief");
  notes = new Notes(app, settings.issuer + "/me", store, lists ? "lists" : "notes");
  app.on("changed", show);
  app.on("ended", () => (notes.forget(), knock(), show()));
  app.on("heard", (name) => ["ready", "reset", "state.changed"].includes(name) && sync());
  at("signin").onclick = signIn;
  at("signout").onclick = async () => (await app.signOut(), notes.forget(), show());
  at("form").onsubmit = (event) => (event.preventDefault(), notes.write(at("text").value), (at("text").value = ""), draw(), sync());
  addEventListener("message", ({ data, origin, source }) => origin === location.origin && source === parent && commands[data.do]?.(data));
  tell({ listening: true });
  addEventListener("online", sync);
  addEventListener("offline", draw);
  if (!staged) navigator.serviceWorker?.register("sw.js");
  await finishHere(app).catch((error) => say(error.message));
  await show();
  app.listen();
  if (phone === "thief") await refresh();
  else if (!at("in").hidden) await sync(); // says so where there is no answer
}

start().catch((error) => {
  at("title").textContent = "Notes can’t start";
  say(error.name === "SecurityError" ? "This browser lets the page keep nothing. Allow it to keep data, then reload." : error.message);
});
