// The system's browser, and a loopback address that it comes back to (RFC 8252 §7.3).
import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Opened } from '../index.js';

export interface LoopbackOptions {
  /** Opens an address; default: the system's browser. */
  readonly open?: (url: string) => void;
  /** What the browser shows when it may be closed, as HTML. */
  readonly page?: string;
}

const close = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Signed in</title><p>Done. You can close this window and go back to the app.</p>';

/**
 * loopbackBrowser listens on the redirect URI's port, or on a free one if it names none: `http://127.0.0.1/callback`. With a
 * port of its own a process that was killed meanwhile can be come back to.
 */
export function loopbackBrowser({ open = systemBrowser, page = close }: LoopbackOptions = {}): Browser {
  const waiting = new Map<string, { server: Server; came: Promise<Opened> }>();
  return {
    ready: async (redirectUri) => {
      const url = new URL(redirectUri);
      const { server, came } = listener(url, page);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen(Number(url.port) || 0, url.hostname.replace(/[[\]]/g, ''), resolve);
      });
      url.port = String((server.address() as AddressInfo).port);
      waiting.set(url.href, { server, came });
      return url.href;
    },
    open: async (address, redirectUri, signal) => {
      const one = waiting.get(redirectUri)!;
      const gone = new Promise<Opened>((resolve) => signal.addEventListener('abort', () => resolve({ type: 'closed' }), { once: true }));
      open(address);
      try {
        return await Promise.race([one.came, gone]);
      } finally {
        one.server.close();
        one.server.closeIdleConnections();
        waiting.delete(redirectUri);
      }
    },
  };
}

function listener(url: URL, page: string): { server: Server; came: Promise<Opened> } {
  const server = createServer();
  const came = new Promise<Opened>((resolve) => {
    server.on('request', (request, response) => {
      const at = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
      const ours = request.method === 'GET' && at.pathname === url.pathname && at.searchParams.has('state');
      response.writeHead(ours ? 200 : 404, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store', Connection: 'close' });
      response.end(ours ? page : '', () => ours && resolve({ type: 'redirect', url: at.href }));
    });
  });
  return { server, came };
}

/** systemBrowser opens an address as a double click would. */
export function systemBrowser(url: string): void {
  const [program, ...before] = { darwin: ['open'], win32: ['rundll32', 'url.dll,FileProtocolHandler'] }[process.platform as string] ?? ['xdg-open'];
  spawn(program!, [...before, url], { stdio: 'ignore', detached: true }).on('error', () => console.error(`Open ${url}`)).unref();
}
