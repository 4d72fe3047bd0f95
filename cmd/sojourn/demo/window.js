// What a usual server would have done to the same phones: the predecessor of the newest token brings the same successor again
// for 30 seconds, and is taken for theft afterwards, which signs the phone out. The same rule in Go: simulate/window.go.
const grace = 30_000;

export class Window {
  #held = {}; // phone: the token that it holds, as {family, n}
  #later = 0; // how far its clock was set forward
  forced = 0;
  thief = 0;

  later(ms) {
    this.#later += ms;
  }

  copies(from, to) {
    if (this.#held[from]) this.#held[to] = { ...this.#held[from] };
  }

  signedIn(phone) {
    this.#held[phone] = { family: { newest: 0, rotated: 0, ended: false }, n: 0 };
  }

  // refreshed judges one request that reached the server.
  refreshed(phone, lost) {
    const held = this.#held[phone];
    if (!held) return;
    const { family, n } = held;
    const now = Date.now() + this.#later;
    if (n === family.newest) Object.assign(family, { newest: n + 1, rotated: now });
    else if (n !== family.newest - 1 || now - family.rotated > grace) family.ended = true;
    if (family.ended) return this.#ended(phone);
    if (phone === "thief") this.thief++;
    if (!lost) held.n = family.newest;
  }

  // A phone that is signed out is signed in again, so that the counting goes on; a thief is not.
  #ended(phone) {
    if (phone === "thief") return void delete this.#held.thief;
    this.forced++;
    this.signedIn(phone);
  }
}
