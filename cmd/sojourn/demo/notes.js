// The notes of a person on one device: written here first, sent when there is a network (/me/state, docs/mobile.md).
export class Notes {
  constructor(app, me, name, key) {
    Object.assign(this, { app, name, me: `${me}/state/${key}` });
    const kept = read(name);
    this.all = { ...kept?.all };
    this.unsent = { ...kept?.unsent };
  }

  get list() {
    return Object.entries({ ...this.all, ...this.unsent })
      .filter(([, note]) => note)
      .sort(([, a], [, b]) => b.at - a.at)
      .map(([id, note]) => ({ id, ...note, waits: id in this.unsent }));
  }

  write(text) {
    this.#change(crypto.randomUUID(), { text, at: Date.now() });
  }

  remove(id) {
    this.#change(id, null);
  }

  // sync sends what waits as one merge patch: patches of many devices at once all count, and one that is sent twice does no harm.
  async sync() {
    const sent = { ...this.unsent };
    const patch = Object.keys(sent).length > 0;
    const answer = await this.app.fetch(this.me, patch
      ? { method: "PATCH", headers: { "Content-Type": "application/merge-patch+json" }, body: JSON.stringify(sent) }
      : {});
    if (answer.status === 404) this.all = {};
    else if (answer.ok) this.all = await answer.json();
    else throw new Error(answer.status === 413 ? "That is more than fits. Delete a note." : "Not sent yet. It will be tried again.");
    for (const [id, note] of Object.entries(sent)) if (this.unsent[id] === note) delete this.unsent[id];
    this.#keep();
  }

  forget() {
    localStorage.removeItem(this.name);
  }

  #change(id, note) {
    this.unsent[id] = note;
    this.#keep();
  }

  #keep() {
    localStorage.setItem(this.name, JSON.stringify({ all: this.all, unsent: this.unsent }));
  }
}

// read returns what was kept, and nothing where it can't be read any more.
function read(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
