// The stage: phones in frames, the panel that makes things happen to them, and what is seen of it.
import { draw, place, sentence } from "./line.js";
import { Window } from "./window.js";

const at = (id) => document.getElementById(id);
const names = { a: "Ada’s phone", b: "Ada’s tablet", thief: "The thief" };
const phones = {};
const usual = new Window();
let forced = 0;

function stand(id) {
  const card = document.createElement("section");
  card.className = "card";
  card.id = "card-" + id;
  card.setAttribute("aria-label", names[id]);
  card.innerHTML = `<h2></h2><iframe></iframe><p class="apps"><button class="link notes" aria-pressed="true">Notes</button>
    <button class="link lists" aria-pressed="false">Lists</button></p><svg role="img"></svg><p class="happened"></p><p class="api quiet"></p>`;
  card.querySelector("h2").textContent = names[id];
  const frame = card.querySelector("iframe");
  frame.title = names[id];
  at("phones").append(card);
  const phone = (phones[id] = { id, card, frame, steps: [] });
  if (id === "thief") card.querySelector(".apps").remove();
  else for (const app of ["notes", "lists"]) card.querySelector("." + app).onclick = () => load(phone, app);
  load(phone, "notes");
  return phone;
}

function load(phone, app) {
  const asked = new URLSearchParams({ phone: phone.id, ...(app === "lists" && { app }), ...(at("key").checked && { key: 1 }) });
  Object.assign(phone, { steps: [], sid: undefined, over: false, status: undefined, asked: false, askedAt: 0 });
  phone.frame.src = "phone.html?" + asked;
  for (const button of phone.card.querySelectorAll(".apps button")) button.setAttribute("aria-pressed", button.classList.contains(app));
  paint(phone);
}

const chosen = () => phones[document.querySelector("[name=phone]:checked").value];
const order = (phone, what) => phone.frame.contentWindow.postMessage(what, location.origin);
const say = (text) => (at("said").textContent = text);

function paint(phone) {
  // A thief walks on the same line as the phone that was robbed, so both see all of it.
  const steps = phones.thief?.sid && phones.thief.sid === phone.sid ? phones.thief.shared : phone.steps;
  draw(phone.card.querySelector("svg"), steps, phone.over);
  const last = steps.at(-1);
  phone.card.querySelector(".happened").textContent = last ? sentence(last) : phone.sid ? "Its first ticket lies in the phone." : "";
  phone.card.classList.toggle("over", Boolean(phone.over));
}

// hear takes what a phone tells.
function hear({ data, origin, source }) {
  const phone = phones[data.phone];
  if (origin !== location.origin || source !== phone?.frame.contentWindow) return;
  if (data.ready) order(phone, { stolen: phone.loot });
  if (data.loot) rob(phone, data.loot);
  if (data.refusedAt) refusedBy(phone, data.refusedAt);
  if (data.refresh) refreshed(phone, data.refresh);
  if ("status" in data) status(phone, data);
}

function refreshed(phone, { sent, brought, ok, lost }) {
  usual.refreshed(phone.id, lost);
  if (phone.killing && lost) Object.assign(phone, { killing: false, killed: true }); // the app is gone, and starts again
  const one = { from: place(sent), to: place(brought), ok, lost, thief: phone.id === "thief" };
  (phones.thief && phones.thief.sid === phone.sid ? phones.thief.shared : phone.steps).push(one);
  say(sentence(one));
  Object.values(phones).forEach(paint);
  count();
}

function status(phone, { status: now, reason, sid }) {
  if (sid && sid !== phone.sid) {
    Object.assign(phone, { sid, steps: [], over: false, asked: false, askedAt: 0 });
    phone.card.querySelector(".api").textContent = "";
    if (phone.id !== "thief") usual.signedIn(phone.id);
  }
  if (now === "ended" && phone.status === "signed_in") ended(phone, reason);
  phone.status = now;
  if (phone.killed) {
    phone.killed = false;
    usual.later(60_000);
    order(phone, { do: "refresh" });
  }
  paint(phone);
  enable();
}

function ended(phone, reason) {
  phone.over = true;
  const robbed = phones.thief && phones.thief.sid === phone.sid;
  if (robbed && reason === "reuse") at("theft").hidden = false;
  else if (phone.id !== "thief" && !phone.asked) forced++;
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
  say("The thief has a copy of the ticket, and uses it at once.");
}

function count() {
  at("forced").textContent = forced;
  at("usual-forced").textContent = usual.forced;
  at("usual-thief").textContent = usual.thief;
}

function enable() {
  const { status: now, id } = chosen();
  for (const button of document.querySelectorAll("#panel button")) button.disabled = now !== "signed_in" || (id === "thief" && button.id !== "refresh");
}

function choose() {
  for (const phone of Object.values(phones)) phone.card.classList.toggle("chosen", phone === chosen());
  at("chosen").textContent = names[chosen().id].replace(/^The/, "the");
  enable();
}

// ask notes that the person wants this phone ended, so that it is no forced sign-in.
const ask = (phone) => Object.assign(phone, { asked: true, askedAt: Date.now() });

async function post(path, fields) {
  const answer = await fetch(path, { method: "POST", headers: { "X-Demo": "1" }, body: new URLSearchParams(fields) });
  say(answer.ok ? await answer.text() : "That did not work. Try again.");
}

const jobs = {
  refresh: (phone) => order(phone, { do: "refresh" }),
  drop: (phone) => order(phone, { do: "drop" }),
  tunnel: (phone) => (order(phone, { do: "tunnel", seconds: 20 }), say("No network for 20 seconds. Write a note meanwhile: it waits.")),
  lift: (phone, button) => {
    phone.lift = !phone.lift;
    button.setAttribute("aria-pressed", phone.lift);
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
for (const [id, job] of Object.entries(jobs)) at(id).onclick = ({ currentTarget }) => (say("The phone asks the server."), job(chosen(), currentTarget));
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
