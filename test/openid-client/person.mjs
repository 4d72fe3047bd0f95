// A person at a browser: follows redirects, keeps cookies, fills in the forms of the sign-in pages.
import { choose, forms, textOf } from './html.mjs';

const maxSteps = 20;
const maxRefusedCodes = 3; // someone else may have used the current code and the next

export class Person {
  #cookies = new Map();
  #refused = 0;
  #origin;
  #username;
  #password;
  #authenticator;

  // issuer is the only origin that ever gets the cookies.
  constructor(issuer, { username, password, authenticator }) {
    this.#origin = new URL(issuer).origin;
    this.#username = username;
    this.#password = password;
    this.#authenticator = authenticator;
  }

  // authorize opens url and does what the pages ask until the server sends the browser to redirectUri; it returns
  // that whole URL, which belongs to the app, or the request that posts a form there.
  authorize(url, redirectUri) {
    return this.#follow(url, redirectUri, (html, status, at) => this.#fillIn(html, status, at));
  }

  // signOut opens url and presses the button of a page that asks, until the server sends the browser to back; it returns
  // that URL, and how often the person was asked.
  async signOut(url, back) {
    let asked = 0;
    const to = await this.#follow(url, back, (html, status, at) => {
      const [form] = forms(html);
      if (status !== 200 || !form) throw new Error(`${at.pathname} answered ${status} with nothing to press: ${textOf(html)}`);
      asked++;
      return { url: new URL(form.action || at.href, at), body: new URLSearchParams(form.hidden) };
    });
    return { to, asked };
  }

  async #follow(url, destination, answer) {
    let request = { url: new URL(url) };
    const arrived = (url) => url.href.split('?')[0] === new URL(destination).href.split('?')[0];
    for (let step = 0; step < maxSteps; step++) {
      if (request.body && arrived(request.url)) return new Request(request.url, { method: 'POST', body: request.body });
      const response = await this.#send(request);
      const location = response.headers.get('location');
      if (location === null) {
        request = await answer(await response.text(), response.status, request.url);
        continue;
      }
      const next = new URL(location, request.url);
      if (arrived(next)) return next;
      request = { url: next };
    }
    throw new Error(`no way back to the app within ${maxSteps} pages`);
  }

  async #send({ url, body }) {
    if (url.origin !== this.#origin) throw new Error(`the server sent the browser elsewhere: ${url.origin}`);
    const headers = { cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; ') };
    if (body) Object.assign(headers, { origin: this.#origin, 'sec-fetch-site': 'same-origin' });
    const response = await fetch(url, { method: body ? 'POST' : 'GET', body, headers, redirect: 'manual' });
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie);
    return response;
  }

  #keep(cookie) {
    const [pair, ...attributes] = cookie.split(';').map((part) => part.trim());
    const name = pair.slice(0, pair.indexOf('='));
    const ended = attributes.some((attribute) => /^max-age=(0|-\d+)$/i.test(attribute));
    if (ended) this.#cookies.delete(name);
    else this.#cookies.set(name, pair.slice(name.length + 1));
  }

  // fillIn answers the one form on the page that a person would, or that a script sends: an answer to the app.
  async #fillIn(html, status, url) {
    const form = choose(forms(html), ['password', 'totp', 'consent', 'iss']);
    if (!form) throw new Error(`${url.pathname} answered ${status} with nothing to fill in: ${textOf(html)}`);
    const tries = 'totp' in form.fields ? maxRefusedCodes : 0;
    if (status >= 400 && ++this.#refused > tries) {
      throw new Error(`${url.pathname} answered ${status}: ${textOf(html)}`);
    }
    const answers = { ...form.hidden };
    if ('password' in form.fields) Object.assign(answers, { username: this.#username, password: this.#password });
    if ('totp' in form.fields) answers.totp = await this.#authenticator.next();
    if ('consent' in form.fields) answers.consent = 'allow';
    return { url: new URL(form.action || url.href, url), body: new URLSearchParams(answers) };
  }
}
