// The stage: phones in frames, the panel that makes things happen to them, and what is seen of it.
import { draw, place, sentence } from "./line.js";
import { Window } from "./window.js";

const at = (id) => document.getElementById(id);
const names = { a: "Ada’s phone", b: "Ada’s other phone", thief: "The thief" };
const phones = {};
const usual = new Window();
let forced = 0;

function stand(id) {
  const card = document.createElement("section");
  card.className = id === "thief" ? "card thief" : "card";
  card.id = "card-" + id;
  card.setAttribute("aria-label", names[id]);
  card.innerHTML = `<h2></h2><iframe></iframe><p class="apps"><button class="link notes" aria-pressed="true">Notes</button>
    <button class="link lists" aria-pressed="false">Lists</button></p><svg role="img"></svg><p class="happened"></p><p class="api quiet"></p>`;
  card.querySelector("h2").textContent = names[id];
  const frame = card.querySelector("iframe");
  frame.title = names[id];
  frame.src = address({ id }, "notes");
  const phone = (phones[id] = { id, card, frame, steps: [] });
  if (id === "thief") card.querySelector(".apps").remove();
  else for (const app of ["notes", "lists"]) card.querySelector("." + app).onclick = () => load(phone, app);
  at("phones").append(card);
  paint(phone);
  return phone;
}

const address = ({ id }, app) => "phone.html?" + new URLSearchParams({ phone: id, ...(app === "lists" && { app }), ...(at("key").checked && { key: 1 }) });

function load(phone, app) {
  Object.assign(phone, { steps: [], sid: undefined, held: undefined, over: false, status: undefined, asked: false, askedAt: 0, lift: false, killing: false, killed: false, waiting: undefined });
  phone.frame.contentWindow.location.replace(address(phone, app)); // not a step that the back button takes back
  phone.card.querySelector(".api").textContent = "";
  for (const button of phone.card.querySelectorAll(".apps button")) button.setAttribute("aria-pressed", button.classList.contains(app));
  paint(phone);
  enable();
}

const chosen = () => phones[document.querySelector("[name=phone]:checked").value];
// order has a phone do something. One whose app was killed does it once it has started again.
const order = (phone, what) => (phone.waiting ? phone.waiting.push(what) : phone.frame.contentWindow.postMessage(what, location.origin));
const say = (text) => (at("said").textContent = text);
const write = (id, text) => at(id).textContent !== String(text) && (at(id).textContent = text); // what is written again is read out again

function paint(phone) {
  // A thief walks on the same line as the phone that was robbed, so both see all of it.
  const steps = phones.thief?.sid && phones.thief.sid === phone.sid ? phones.thief.shared : phone.steps;
  draw(phone.card.querySelector("svg"), steps.length || !phone.held ? steps : [{ to: phone.held }], phone.over);
  const last = steps.at(-1);
  phone.card.querySelector(".happened").textContent = last ? sentence(last) : !phone.sid ? "" : phone.over ? "Its first ticket is worth nothing any more." : "Its first ticket lies in the phone.";
  phone.card.classList.toggle("over", Boolean(phone.over));
}

// hear takes what a phone tells.
function hear({ data, origin, source }) {
  const phone = origin === location.origin && Object.values(phones).find((one) => one.frame.contentWindow === source);
  if (!phone) return;
  if (data.ready) order(phone, { stolen: phone.loot });
  if (data.listening) started(phone);
  if (data.loot) rob(phone, data.loot);
  if (data.refusedAt) refusedBy(phone, data.refusedAt);
  if (data.refresh) refreshed(phone, data.refresh);
  if ("status" in data) status(phone, data);
}

function started(phone) {
  const waiting = phone.waiting ?? [];
  phone.waiting = undefined;
  for (const what of waiting) order(phone, what);
}

function refreshed(phone, { sent, brought, ok, lost }) {
  usual.refreshed(phone.id, lost);
  if (phone.killing && lost) Object.assign(phone, { killing: false, killed: true, waiting: [] }); // the app is gone, and starts again
  const one = { from: place(sent), to: place(brought), ok, lost, thief: phone.id === "thief" };
  (phones.thief && phones.thief.sid === phone.sid ? phones.thief.shared : phone.steps).push(one);
  say(sentence(one));
  Object.values(phones).forEach(paint);
  count();
}

function status(phone, { status: now, reason, sid, refreshToken }) {
  phone.held = place(refreshToken) ?? phone.held;
  if (sid && sid !== phone.sid) {
    Object.assign(phone, { sid, steps: [], over: false, asked: false, askedAt: 0 });
    phone.card.querySelector(".api").textContent = "";
    if (phone.id !== "thief") usual.signedIn(phone.id);
    if (phone.id !== "thief" && now === "signed_in") say(`${names[phone.id]} is signed in. Now let something happen to it.`);
  }
  if (now === "ended" && phone.status === "signed_in") ended(phone, reason);
  phone.status = now;
  if (phone.killed) {
    phone.killed = false;
    usual.later(60_000);
    if (phone.lift) order(phone, { do: "lift", on: true });
    else order(phone, { do: "refresh" });
  }
  paint(phone);
  enable();
}

// wished are the reasons that a person gave, here or in another tab.
const wished = ["signed_out", "ended_by_user", "password_changed", "replaced"];

function ended(phone, reason) {
  phone.over = true;
  const robbed = phones.thief && phones.thief.sid === phone.sid;
  if (robbed && reason === "reuse") at("theft").hidden = false;
  else if (phone.id !== "thief" && !phone.asked && !wished.includes(reason)) forced++;
  phone.asked = false;
  count();
}

// refusedBy says how soon the notes API refused a phone that was ended.
function refusedBy(phone, at) {
  const took = phone.askedAt ? `, ${((at - phone.askedAt) / 1000).toFixed(1)} s after you pressed` : "";
  phone.card.querySelector(".api").textContent = `The notes API refuses it too${took}.`;
}

function rob(phone, loot) {
  phones.thief?.card.remove();
  delete phones.thief;
  usual.copies(phone.id, "thief");
  const thief = stand("thief");
  Object.assign(thief, { loot, sid: phone.sid, shared: [...phone.steps] });
  at("which-thief").hidden = false;
  at("theft").hidden = true;
  say("A thief has a copy of the ticket, and uses it at once. Choose the thief or the phone, and renew: see who stays.");
}

function count() {
  write("forced", forced);
  write("usual-forced", usual.forced);
  write("usual-thief", usual.thief);
}

// enable says which buttons can be pressed. One that can't keeps the focus, and a press says why.
function enable() {
  if (!chosen()) return;
  for (const button of document.querySelectorAll("#panel button")) button.setAttribute("aria-disabled", Boolean(unable(button)));
  at("lift").setAttribute("aria-pressed", Boolean(chosen().lift));
}

function unable(button) {
  const { status: now, id } = chosen();
  if (now !== "signed_in" && id === "thief") return "The thief holds nothing that works any more.";
  if (now !== "signed_in") return `${names[id]} is not signed in. Press “Sign in” on it first.`;
  if (id === "thief" && button.id !== "refresh") return "A thief can only show the ticket. Choose a phone for the rest.";
  return button.busy ? "One moment." : undefined;
}

async function press({ currentTarget: button }) {
  const why = unable(button);
  if (why) return void say(why);
  say("The phone asks the server.");
  button.busy = true;
  try {
    await jobs[button.id](chosen());
  } finally {
    button.busy = false;
    enable();
  }
}

function choose() {
  for (const phone of Object.values(phones)) phone.card.classList.toggle("chosen", phone === chosen());
  at("chosen").textContent = names[chosen().id].replace(/^The/, "the");
  enable();
}

// Other tabs hear of a wish before they see what came of it: they may only find their phone refused, and not why.
const tabs = new BroadcastChannel("stage");
tabs.onmessage = ({ data: { id, asked } }) => phones[id] && Object.assign(phones[id], { asked });

function wish(phone, asked) {
  phone.asked = asked;
  tabs.postMessage({ id: phone.id, asked });
}

// ask notes that the person wants this phone ended, so that it is no forced sign-in.
function ask(phone) {
  wish(phone, true);
  phone.askedAt = Date.now();
}

async function post(path, fields) {
  const answer = await fetch(path, { method: "POST", headers: { "X-Demo": "1" }, body: new URLSearchParams(fields) }).catch(() => undefined);
  if (!answer?.ok) Object.values(phones).forEach((phone) => wish(phone, false));
  say(answer?.ok ? await answer.text() : answer ? "That did not work. Try again." : "The demo’s server is away. Start it again, then try again.");
}

const jobs = {
  refresh: (phone) => order(phone, { do: "refresh" }),
  drop: (phone) => order(phone, { do: "drop" }),
  tunnel: (phone) => (order(phone, { do: "tunnel", seconds: 20 }), say("No network for 20 seconds. Write a note meanwhile: it waits.")),
  lift: (phone) => {
    phone.lift = !phone.lift;
    enable();
    if (!phone.lift) say("Every answer arrives again.");
    order(phone, { do: "lift", on: phone.lift });
  },
  kill: (phone) => ((phone.killing = true), order(phone, { do: "kill" })),
  steal: (phone) => order(phone, { do: "steal" }),
  end: (phone) => (ask(phone), post("demo/end", { sid: phone.sid })),
  password: () => {
    Object.values(phones).forEach(ask);
    return post("demo/password", {});
  },
};

function keySaid() {
  at("key-said").textContent = at("key").checked
    ? "So apps on our libraries do it. A copied ticket is worth nothing without the key: the thief is refused at the first try."
    : "Off, so that you can see what happens to apps without one: a copy works until one of the two shows a ticket that was passed.";
}

addEventListener("message", hear);
for (const id of Object.keys(jobs)) at(id).onclick = press;
at("which").onchange = choose;
at("usual").onchange = () => (at("usual-said").hidden = !at("usual").checked);
at("key").onchange = () => {
  phones.thief?.card.remove();
  delete phones.thief;
  at("which-thief").hidden = true;
  document.querySelector("[name=phone][value=a]").checked = true;
  keySaid();
  Object.values(phones).forEach((phone) => load(phone, "notes"));
  choose();
};
stand("a");
stand("b");
keySaid();
choose();
