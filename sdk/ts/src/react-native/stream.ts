// React Native's fetch brings no streams; its XMLHttpRequest hands over text while it comes.
import type { Fetch } from '../index.js';

type Piece = { done: boolean; value?: string | undefined };

/** xhrStream is a fetch for `/me/events`, for React Native without `expo/fetch`. */
export const xhrStream: Fetch = (url, init = {}) =>
  new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const text = pieces(() => xhr.responseText);
    init.signal?.addEventListener('abort', () => xhr.abort(), { once: true });
    xhr.onreadystatechange = () => {
      if (xhr.readyState === 2) resolve(answer(xhr, text.read));
      if (xhr.readyState >= 3) text.more(xhr.readyState === 4);
    };
    xhr.onprogress = () => text.more(false);
    xhr.onerror = xhr.ontimeout = xhr.onabort = () => {
      text.more(true);
      reject(new TypeError('Network request failed'));
    };
    xhr.open(init.method ?? 'GET', url);
    new Headers(init.headers).forEach((value, name) => xhr.setRequestHeader(name, value));
    xhr.send();
  });

function answer(xhr: XMLHttpRequest, read: () => Promise<Piece>): Response {
  const headers = new Headers();
  for (const line of xhr.getAllResponseHeaders().split(/\r?\n/)) {
    const [, name, value] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (name) headers.append(name, value!);
  }
  const body = { getReader: () => ({ read }), cancel: async () => xhr.abort() };
  return { status: xhr.status, ok: xhr.status === 200, headers, url: xhr.responseURL, body } as unknown as Response;
}

/** pieces hands out what has come since the last time, and waits where nothing has. */
function pieces(all: () => string): { read: () => Promise<Piece>; more: (done: boolean) => void } {
  let taken = 0;
  let over = false;
  let wake: (() => void) | undefined;
  return {
    more: (done) => {
      over ||= done;
      wake?.();
    },
    read: async () => {
      while (!over && all().length === taken) await new Promise<void>((resolve) => (wake = resolve));
      const value = all().slice(taken);
      taken += value.length;
      return value ? { done: false, value } : { done: true };
    },
  };
}
