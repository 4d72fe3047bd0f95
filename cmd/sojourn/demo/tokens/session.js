// The app's half of staying signed in: sign in with PKCE, keep the tokens, refresh them one at a time, sign out.
// It touches no page; app.js does.

const kept = "notes.tokens"; // localStorage: survives a reload, and all tabs share the one copy
const begun = "notes.sign-in"; // sessionStorage: each tab finishes the sign-in that it began

// Failure is an error with what to do about it: "retry" keeps the tokens, so does "stop", where asking again is of no use
// before somebody has mended the app, and "login" means that the session is over.
export class Failure extends Error {
  constructor(message, action) {
    super(message);
    this.action = action;
  }
}

export class Session {
  static async open() {
    const settings = await answer(fetch("../settings.json"));
    const found = await answer(fetch(settings.issuer + "/.well-known/openid-configuration"));
    if (found.issuer !== settings.issuer) throw new Failure("The server calls itself by another name.", "retry");
    return new Session(settings, found);
  }

  constructor(settings, server) {
    this.settings = settings;
    this.server = server;
    this.redirect = new URL("callback", location.href.replace(/[?#].*/, "")).href;
  }

  get tokens() {
    return JSON.parse(localStorage.getItem(kept));
  }

  async signIn() {
    const sent = { verifier: random(), state: random(), nonce: random() };
    sessionStorage.setItem(begun, JSON.stringify(sent));
    const ask = new URL(this.server.authorization_endpoint);
    ask.search = new URLSearchParams({
      response_type: "code",
      client_id: this.settings.client_id,
      redirect_uri: this.redirect,
      scope: this.settings.scope,
      state: sent.state,
      nonce: sent.nonce,
      code_challenge: await s256(sent.verifier),
      code_challenge_method: "S256",
    });
    location.assign(ask);
  }

  // finish redeems the code that the server sent us back with. It returns whether there was an answer to finish.
  async finish() {
    const got = new URLSearchParams(location.search);
    if (!got.has("state")) return false;
    history.replaceState(null, "", "./"); // a code does not belong into the history
    const sent = JSON.parse(sessionStorage.getItem(begun));
    sessionStorage.removeItem(begun);
    if (!sent || got.get("state") !== sent.state || got.get("iss") !== this.server.issuer) {
      throw new Failure("That answer belongs to another sign-in. Start again.", "login"); // RFC 9207, RFC 6749 §10.12
    }
    if (got.has("error")) {
      const denied = got.get("error") === "access_denied";
      throw new Failure(denied ? "You did not allow it. Nothing happened." : got.get("error_description"), "login");
    }
    const tokens = await this.#token({
      grant_type: "authorization_code",
      code: got.get("code"),
      redirect_uri: this.redirect,
      code_verifier: sent.verifier,
    });
    this.#check(claims(tokens.id_token), sent.nonce);
    this.#keep(tokens);
    return true;
  }

  // refresh gets new tokens. However many ask at once, in however many tabs, one request is under way, and who waited
  // takes what it brought: two copies of a refresh token in use are what a theft looks like.
  refresh() {
    const before = this.tokens?.refresh_token;
    return navigator.locks.request("notes.refresh", async () => {
      const now = this.tokens;
      if (!now) throw new Failure("You are signed out.", "login");
      if (now.refresh_token !== before) return;
      try {
        this.#keep(await this.#token({ grant_type: "refresh_token", refresh_token: now.refresh_token }));
      } catch (failure) {
        if (failure.action === "login") this.forget();
        throw failure;
      }
    });
  }

  async userinfo() {
    if (this.tokens.expires_at - Date.now() < 5_000) await this.refresh();
    const ask = () => fetch(this.server.userinfo_endpoint, { headers: { Authorization: "Bearer " + this.tokens.access_token } });
    const first = await reach(ask());
    if (first.status !== 401) return answer(first);
    await this.refresh(); // the token is over; whether the session is, the refresh will say
    return answer(ask());
  }

  // signOut ends the session at the server, and with device=true this browser's sign-in, so that the next person is asked:
  // the scope devices allows that.
  async signOut() {
    const { refresh_token } = this.tokens;
    const { client_id } = this.settings;
    const body = new URLSearchParams({ refresh_token, client_id, device: true });
    await answer(fetch(this.server.signout_endpoint, { method: "POST", body }));
    this.forget();
    location.assign(new URL("./", location.href));
  }

  forget() {
    localStorage.removeItem(kept);
  }

  #token(fields) {
    const body = new URLSearchParams({ ...fields, client_id: this.settings.client_id });
    return answer(fetch(this.server.token_endpoint, { method: "POST", body }));
  }

  #keep(tokens) {
    const now = Date.now();
    const session = tokens.session_expires_in;
    localStorage.setItem(kept, JSON.stringify({
      ...this.tokens, // a refresh brings no ID token unless the app asked for one
      ...tokens,
      expires_at: now + tokens.expires_in * 1000,
      session_expires_at: session === undefined ? undefined : now + session * 1000,
    }));
  }

  // The ID token came from the server's own token endpoint, so its signature may go unchecked
  // (OpenID Connect Core §3.1.3.7 no. 6); what it says may not. The nonce tells that it is fresh. Its exp would not: the
  // clock of a phone can be hours off.
  #check(id, nonce) {
    const ours = [id.aud].flat().includes(this.settings.client_id);
    if (id.iss !== this.server.issuer || !ours || id.nonce !== nonce) {
      throw new Failure("The server's answer was meant for someone else. Start again.", "login");
    }
  }
}

// header and claims read a JSON Web Token.
export const header = (token) => part(token, 0);
export const claims = (token) => part(token, 1);

function part(token, i) {
  const text = atob(token.split(".")[i].replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
}

// reach waits for a response. That none came says nothing about the session.
async function reach(response) {
  try {
    return await response;
  } catch {
    throw new Failure("The server can't be reached. Nothing is lost: try again in a moment.", "retry");
  }
}

// answer waits for what a response says. Only the server's own word, action "login", ends a session.
async function answer(response) {
  const got = await reach(response);
  const said = await got.json().catch(() => ({}));
  if (got.ok) return said;
  const wait = got.headers.get("Retry-After");
  const message = said.error_description ?? (wait ? `The server is busy. Try again in ${wait} s.` : "That did not work. Try again.");
  throw new Failure(message, said.action ?? "retry");
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function s256(verifier) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
