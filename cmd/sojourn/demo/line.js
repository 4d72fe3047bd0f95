// The line of tokens of one phone: where a token stands in it, what became of it in words, and the picture.
const svg = "http://www.w3.org/2000/svg";
const step = 44;
const shown = 7;

// place reads generation and branch out of a refresh token. Nobody can write one: it is sealed.
export function place(token) {
  if (!token) return undefined;
  const raw = Uint8Array.from(atob(token.slice(6).replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const view = new DataView(raw.buffer);
  return { generation: view.getUint32(39), branch: view.getUint16(43) };
}

export const name = ({ generation, branch }) => `${generation + 1}${branch ? String.fromCharCode(97 + Math.min(branch, 25)) : ""}`;

// sentence says what one refresh was, as one would tell a friend.
export function sentence({ from, to, lost, ok, thief }) {
  const who = thief ? "The thief" : "The phone";
  if (!ok) return `${who} showed ticket ${name(from)} and was refused.`;
  if (lost) return `The server gave out ticket ${name(to)}, but the answer was lost. ${who} still holds ${name(from)}.`;
  if (to.branch) return `${who} asked again with ${name(from)} and got ${name(to)} beside it. Whichever is used first goes on.`;
  return `${who} turned in ticket ${name(from)} for ${name(to)}.`;
}

// draw draws the newest part of a line: steps are what sentence takes.
export function draw(picture, steps, over) {
  const nodes = new Map();
  for (const { from, to, lost, thief } of steps) {
    if (from && !nodes.has(name(from))) nodes.set(name(from), { ...from, kind: "mine" });
    if (to) nodes.set(name(to), { ...to, from, kind: lost ? "lost" : thief ? "thief" : "mine" });
  }
  const last = Math.max(0, ...[...nodes.values()].map((n) => n.generation));
  const first = Math.max(0, last - shown + 1);
  const rows = Math.max(1, ...[...nodes.values()].filter((n) => n.generation >= first).map((n) => Math.min(n.branch, 4) + 1));
  const x = (n) => 20 + (n.generation - first) * step;
  const y = (n) => 20 + Math.min(n.branch, 4) * 34;
  picture.setAttribute("viewBox", `0 0 ${shown * step + 40} ${rows * 34 + 8}`);
  picture.replaceChildren();
  const add = (tag, attributes, text) => {
    const made = document.createElementNS(svg, tag);
    for (const [k, v] of Object.entries(attributes)) made.setAttribute(k, v);
    made.textContent = text ?? "";
    picture.append(made);
  };
  const seen = [...nodes.values()].filter((n) => n.generation >= first);
  for (const n of seen) if (n.from && n.from.generation >= first) add("path", { d: `M${x(n.from)} ${y(n.from)}L${x(n)} ${y(n)}`, class: n.kind });
  for (const n of seen) {
    if (n.kind === "thief") add("rect", { x: x(n) - 14, y: y(n) - 14, width: 28, height: 28, class: n.kind });
    else add("circle", { cx: x(n), cy: y(n), r: 14, class: n.kind });
    add("text", { x: x(n), y: y(n) + 5, class: n.kind }, name(n));
  }
  if (over) add("text", { x: 20 + (last - first + 1) * step, y: 26, class: "over" }, "✕");
  picture.setAttribute("aria-label", over ? "The line of tickets. It is over." : `The line of tickets, ${last + 1} so far`);
}
