// An authority of the tests' own: discovery, keys, introspection and a feed of endings, on loopback.
import { createHash, generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../src/index.js';

type Json = Record<string, unknown>;
const pair = (): { publicKey: KeyObject; privateKey: KeyObject } => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const encode = (value: Json): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = (): number => Math.floor(Date.now() / 1000);

function signed(header: Json, claims: Json, key: KeyObject): string {
  const text = `${encode({ alg: 'ES256', ...header })}.${encode(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** A phone's key, and the proofs that it makes. */
export class Phone {
  readonly #key = pair();
  readonly #jwk = this.#key.publicKey.export({ format: 'jwk' }) as Json;

  get thumbprint(): string {
    const { crv, kty, x, y } = this.#jwk;
    return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  }

  proof(htm: string, htu: string, token: string): string {
    const ath = createHash('sha256').update(token).digest('base64url');
    return signed({ typ: 'dpop+jwt', jwk: this.#jwk }, { jti: randomUUID(), htm, htu, ath, iat: now() }, this.#key.privateKey);
  }
}

export class Authority {
  readonly #key = pair();
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #streams = new Map<ServerResponse, string>();
  #position = 0;
  issuer = '';

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.issuer = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  config(): Config {
    return { issuer: this.issuer, clientId: 'notes-api', clientSecret: 'secret of the tests', scopes: ['notes.read'] };
  }

  token(claims: Json = {}): string {
    const usual = { iss: this.issuer, aud: this.issuer, sub: 'ada', sid: 'sid-1', client_id: 'app', jti: randomUUID(), scope: 'notes.read', iat: now(), exp: now() + 600 };
    return signed({ typ: 'at+jwt', kid: 'k' }, { ...usual, ...claims }, this.#key.privateKey);
  }

  /** Tells all who follow. */
  end(...marks: unknown[]): void {
    const from = this.#position++;
    const batch = { iss: this.issuer, iat: now(), from, to: this.#position, tag: this.#tag, marks };
    for (const [stream, nonce] of this.#streams) {
      this.#say(stream, 'endings', batch);
      this.#beat(stream, nonce);
    }
  }

  get #tag(): string {
    return this.#position.toString(16).padStart(8, '0');
  }

  #beat(stream: ServerResponse, nonce: string): void {
    this.#say(stream, 'beat', { iss: this.issuer, iat: now(), nonce, at: this.#position, tag: this.#tag, window: 660 });
  }

  #say(stream: ServerResponse, event: string, claims: Json): void {
    stream.write(`event: ${event}\ndata: ${signed({ typ: 'endings+jwt', kid: 'k' }, claims, this.#key.privateKey)}\n\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    if (request.url === '/endings') return this.#stream(response, new URLSearchParams(body).get('nonce') ?? '');
    const jwk = { ...(this.#key.publicKey.export({ format: 'jwk' }) as Json), kid: 'k', alg: 'ES256', use: 'sig' };
    const { issuer } = this;
    const answers: Record<string, Json> = {
      '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/keys`, introspection_endpoint: `${issuer}/introspect`, endings_endpoint: `${issuer}/endings` },
      '/keys': { keys: [jwk] },
      '/introspect': { active: false },
    };
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answers[request.url ?? '']));
  }

  #stream(response: ServerResponse, nonce: string): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    this.#streams.set(response, nonce);
    this.#say(response, 'endings', { iss: this.issuer, iat: now(), from: 0, to: this.#position, tag: this.#tag, marks: [] });
    this.#beat(response, nonce);
    const timer = setInterval(() => this.#beat(response, nonce), 1000);
    response.on('close', () => {
      clearInterval(timer);
      this.#streams.delete(response);
    });
  }
}

/** Waits for what will be. */
export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await what())) {
    if (Date.now() > end) throw new Error('it was not so within a minute');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
