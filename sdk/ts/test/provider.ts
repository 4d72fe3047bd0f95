// A small provider for the tests of this folder: it keeps the rotation rule, checks proofs, and loses answers when it is told to.
// Sojourn itself is played against in sdk/contract.
import { createHash, generateKeyPairSync, randomUUID, sign, verify, createPublicKey, type JsonWebKey } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Json = Record<string, unknown>;
export interface Heard {
  readonly path: string;
  readonly form: Record<string, string>;
  readonly headers: IncomingMessage['headers'];
}
interface Request extends Heard {
  readonly method: string;
  readonly res: ServerResponse;
}
type Fault = (request: Request, serve: () => Promise<void>) => unknown;

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
export const decode = (part: string): Json => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json;
const sha = (text: string): string => createHash('sha256').update(text).digest('base64url');

export class Provider {
  readonly heard: Heard[] = [];
  readonly streams = new Set<ServerResponse>();
  issuer = '';
  /** Over what discovery says; undefined takes out. */
  described: Json = {};
  /** The nonce that proofs must hold. */
  nonce: string | undefined;
  now = (): number => Date.now();
  /** Seconds. */
  life = 600;
  claims: Json = {};
  private readonly faults: { path: string; fault: Fault }[] = [];
  private readonly codes = new Map<string, Record<string, string>>();
  private readonly proofs = new Set<string>();
  private session: { sid: string; used: string[]; next: string[]; access: Set<string> } | undefined;
  private server: Server | undefined;

  async start(): Promise<this> {
    this.server = createServer((req, res) => void this.take(req, res));
    await new Promise<void>((resolve) => this.server!.listen(0, '127.0.0.1', resolve));
    this.issuer = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return this;
  }

  stop(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  /** The next request to a path meets this. */
  next(path: string, fault: Fault): void {
    this.faults.push({ path, fault });
  }

  sent = (path: string): Heard[] => this.heard.filter((one) => one.path === path);

  get sid(): string {
    return this.session?.sid ?? '';
  }

  endSession(): void {
    this.session = undefined;
  }

  /** What a person's browser does with an authorization URL: where it is led to. */
  follow(url: string, over: Record<string, string> = {}): string {
    const asked = Object.fromEntries(new URL(url).searchParams);
    const code = randomUUID();
    this.codes.set(code, asked);
    return `${asked['redirect_uri']}?${new URLSearchParams({ code, state: asked['state']!, iss: this.issuer, ...over })}`;
  }

  private async take(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of req) body += String(chunk);
    const path = new URL(req.url!, 'http://x').pathname;
    const request = { path, method: req.method!, form: Object.fromEntries(new URLSearchParams(body)), headers: req.headers, res };
    this.heard.push(request);
    const at = this.faults.findIndex((one) => one.path === path);
    const fault = at < 0 ? undefined : this.faults.splice(at, 1)[0]!.fault;
    res.setHeader('Date', new Date(this.now()).toUTCString());
    if (this.nonce) res.setHeader('DPoP-Nonce', this.nonce);
    if (fault) await fault(request, () => this.serve(request));
    else await this.serve(request);
  }

  private async serve(r: Request): Promise<void> {
    switch (r.path) {
      case '/.well-known/openid-configuration':
        return json(r.res, 200, this.description());
      case '/jwks':
        return json(r.res, 200, { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'ES256' }] });
      case '/token':
        return this.token(r);
      case '/signout':
        return json(r.res, 200, { ended: true });
      case '/me/events':
        if (!this.admits(r)) return json(r.res, 401, { error: 'invalid_token' });
        r.res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': hello\n\nevent: ready\ndata: {}\n\n');
        return void this.streams.add(r.res);
      default:
        return this.admits(r) ? json(r.res, 200, { sub: 'ada', name: 'Ada', seen: r.path }) : json(r.res, 401, { error: 'invalid_token' });
    }
  }

  private description(): Json {
    const at = (path: string): string => this.issuer + path;
    return {
      issuer: this.issuer, authorization_endpoint: at('/authorize'), token_endpoint: at('/token'), jwks_uri: at('/jwks'),
      userinfo_endpoint: at('/userinfo'), signout_endpoint: at('/signout'), me_endpoint: at('/me'),
      dpop_signing_alg_values_supported: ['ES256'], authorization_response_iss_parameter_supported: true, ...this.described,
    };
  }

  private admits({ headers, path, method }: Request): boolean {
    const [type, token] = (headers.authorization ?? '').split(' ');
    if (!this.session?.access.has(token!)) return false;
    return type !== 'DPoP' || this.proved(headers['dpop'], { method, path, token: token! }) !== undefined;
  }

  /** The thumbprint of the key of a good proof. */
  private proved(proof: unknown, { method, path, token }: { method: string; path: string; token?: string }): string | undefined {
    const [head, body, signature] = String(proof).split('.') as [string, string, string];
    const { jwk } = decode(head) as { jwk: JsonWebKey };
    const claims = decode(body);
    const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' as const };
    const good = verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url')) &&
      claims['htm'] === method && claims['htu'] === this.issuer + path && !this.proofs.has(String(claims['jti'])) &&
      (token === undefined || claims['ath'] === sha(token)) && Math.abs(Number(claims['iat']) - this.now() / 1000) < 60;
    this.proofs.add(String(claims['jti']));
    return good ? sha(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y })) : undefined;
  }

  private token({ form, headers, res }: Request): void {
    const { dpop } = headers;
    if (dpop && this.nonce && decode(String(dpop).split('.')[1]!)['nonce'] !== this.nonce) return json(res, 400, { error: 'use_dpop_nonce', action: 'retry' });
    if (dpop && !this.proved(dpop, { method: 'POST', path: '/token' })) return json(res, 400, { error: 'invalid_dpop_proof', action: 'retry' });
    const asked = form['grant_type'] === 'authorization_code' ? this.codes.get(form['code']!) : undefined;
    if (form['grant_type'] === 'authorization_code') {
      if (!asked || asked['code_challenge'] !== sha(form['code_verifier']!)) return json(res, 400, { error: 'invalid_grant', action: 'login' });
      this.session = { sid: randomUUID(), used: [], next: [], access: new Set() };
    } else if (!this.rotates(form['refresh_token']!)) {
      return json(res, 400, { error: 'invalid_grant', action: 'login' });
    }
    json(res, 200, this.tokens(Boolean(dpop), asked));
  }

  /** The rotation rule of docs/refresh.md, for one session. */
  private rotates(token: string): boolean {
    const s = this.session;
    if (!s) return false;
    if (s.next.includes(token)) s.used = [token, ...s.used];
    else if (s.used[0] === token) return true;
    else return (this.session = undefined), false;
    s.next = [];
    return true;
  }

  private tokens(bound: boolean, asked: Record<string, string> | undefined): Json {
    const s = this.session!;
    const refresh = randomUUID();
    const access = randomUUID();
    s.next.push(refresh);
    s.access.add(access);
    return {
      access_token: access, token_type: bound ? 'DPoP' : 'Bearer', expires_in: this.life, refresh_token: refresh, refresh_expires_in: 2_592_000,
      session_expires_in: 15_552_000, ...(asked && { id_token: this.idToken({ aud: asked['client_id'], nonce: asked['nonce'], sid: s.sid }) }),
    };
  }

  idToken(claims: Json): string {
    const now = Math.floor(this.now() / 1000);
    const text = `${encode({ alg: 'ES256', kid: 'one' })}.${encode({ iss: this.issuer, sub: 'ada', name: 'Ada Łovelace', iat: now, exp: now + 600, ...claims, ...this.claims })}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
}

export function json(res: ServerResponse, status: number, body: Json): void {
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

/** What happens to answers. */
export const lost = {
  /** Before the server has seen the request. */
  before: ({ res }: { res: ServerResponse }) => res.destroy(),
  /** After it has done what was asked. */
  after: async ({ res }: { res: ServerResponse }, serve: () => Promise<void>) => {
    res.end = (() => res.destroy()) as never;
    await serve();
  },
  html: (status: number) => ({ res }: { res: ServerResponse }) => void res.writeHead(status, { 'Content-Type': 'text/html' }).end('<h1>Hello</h1>'),
};
