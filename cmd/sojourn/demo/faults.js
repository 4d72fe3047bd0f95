// The bad network of a phone. A lost answer is lost after the server has done its work; in a tunnel nothing reaches it.
export class Faults {
  drop = false;
  lift = false;
  tunnelUntil = 0;
  #turn = 0;

  constructor(told) {
    this.told = told;
  }

  tunnel(seconds) {
    this.tunnelUntil = Date.now() + seconds * 1000;
  }

  get offline() {
    return Date.now() < this.tunnelUntil;
  }

  fetch = async (url, init) => {
    if (this.offline) throw new TypeError("in a tunnel");
    const refresh = String(init?.body ?? "").includes("grant_type=refresh_token");
    const sent = refresh ? new URLSearchParams(init.body).get("refresh_token") : undefined;
    const answer = await fetch(url, init);
    const lost = this.offline || (refresh && this.#loses());
    if (refresh) {
      const body = await answer.clone().json().catch(() => ({}));
      this.told({ sent, brought: body.refresh_token, ok: answer.ok, lost, error: body.error_description });
    }
    if (lost) throw new TypeError("the answer was lost");
    return answer;
  };

  // Half of the answers: every other one, so that everybody sees the same.
  #loses() {
    if (this.drop) return !(this.drop = false);
    return this.lift && this.#turn++ % 2 === 0;
  }
}
