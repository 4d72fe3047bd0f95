import { Bad, Unavailable, type Claims } from './claims.js';
import { complete, type Config, type Settings } from './config.js';
import { Follower, type FeedStatus } from './follower.js';
import { Marks } from './marks.js';
import { Proofs } from './proofs.js';
import { challenge, later, plain, Refusal } from './refusal.js';
import { Server } from './server.js';
import { Asked, Jwts, Keys, sumOf } from './tokens.js';

const maxToken = 8192;
const wellKnown = '/.well-known/oauth-protected-resource';

/** What a request must bring to be served. */
export interface Operation {
  scopes?: readonly string[]; // all of them
  acr?: string; // how its person must have signed in, such as "mfa"
  maxAge?: number; // how long ago at most, in seconds
}

/** What a guard reads of a request. */
export interface Incoming {
  method: string;
  origin: string; // scheme and host, as the request says it
  path: string; // as it came, without the query
  authorization: readonly string[]; // each such header
  dpop: readonly string[];
}

/** How a guard is. */
export interface Status extends FeedStatus {
  marks: number; // endings that are held
  verified: number; // tokens that are remembered
  calls: { discovery: number; jwks: number; introspection: number; feed: number };
}

/** A request and what its operation needs: so what a challenge must say. */
interface Want {
  request: Incoming;
  operation: Operation;
}

interface Credential {
  dpop: boolean; // the scheme: DPoP, or else Bearer
  token: string;
}

/** What the feed said. */
const ended = 'The session is over.';

/** Judges requests. */
export class Guard {
  readonly #settings: Settings;
  readonly #server: Server;
  readonly #jwts: Jwts;
  readonly #asked: Asked;
  readonly #marks: Marks;
  readonly #proofs: Proofs;
  readonly #follower: Follower;

  /** @internal use createGuard */
  constructor(config: Config) {
    this.#settings = complete(config);
    this.#server = new Server(this.#settings);
    const keys = new Keys(this.#server);
    this.#jwts = new Jwts(this.#settings, keys);
    this.#asked = new Asked(this.#server);
    this.#marks = new Marks(this.#settings.clock);
    this.#proofs = new Proofs(this.#settings);
    this.#follower = new Follower(this.#server, keys, this.#marks);
    void this.#follower.run();
  }

  /** Stops following the feed. */
  close(): void {
    this.#follower.close();
    this.#server.close();
  }

  status(): Status {
    return { ...this.#follower.status, marks: this.#marks.held, verified: this.#jwts.count, calls: { ...this.#server.calls } };
  }

  /** Who calls; a Refusal is thrown where they may not. */
  async check(request: Incoming, operation: Operation = {}): Promise<Claims> {
    const want = { request, operation };
    const credential = this.#credential(want);
    let claims: Claims;
    try {
      claims = await this.#judge(credential.token);
    } catch (error) {
      throw this.#verdict(error, want, credential.dpop);
    }
    this.#bound(claims, want, credential);
    this.#enough(claims, want);
    return claims;
  }

  /** What an operation needs beyond a check of the same request: a proof is good for one look. */
  more(claims: Claims, request: Incoming, operation: Operation = {}): Claims {
    this.#enough(claims, { request, operation });
    return claims;
  }

  /** What a client must know to get tokens for the API (RFC 9728 §2): serve it at the well-known path. */
  metadata(request: Pick<Incoming, 'origin'>): Record<string, unknown> {
    const { issuer, audience, scopes, algs, name } = this.#settings;
    const own = URL.canParse(audience) && new URL(audience).host !== '' && audience !== issuer;
    return {
      resource: own ? audience : this.#base(request), // what a client asks tokens for (RFC 8707)
      authorization_servers: [issuer],
      ...(scopes.length > 0 && { scopes_supported: [...new Set(scopes)].sort() }),
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: algs,
      ...(name !== undefined && { resource_name: name }),
    };
  }

  /** Whether a path is where the metadata is: the well-known path, also with the API's own after it. */
  isMetadata(path: string): boolean {
    const { baseURL } = this.#settings;
    const own = baseURL === undefined ? '' : new URL(baseURL).pathname.replace(/\/$/, '');
    return path === wellKnown || path === wellKnown + own;
  }

  /** Where the caller found the API. Where baseURL does not say it, the caller does: a proof for another API that takes the same audience would do. */
  #base({ origin }: Pick<Incoming, 'origin'>): string {
    return this.#settings.baseURL ?? origin;
  }

  /** Reads Authorization, and nothing else: a token in an address ends in logs (RFC 9700 §4.3.2). */
  #credential(want: Want): Credential {
    const [value, ...more] = want.request.authorization;
    const [, scheme = '', token = ''] = /^(bearer|dpop)(?: +(.*))?$/i.exec(value ?? '') ?? [];
    const dpop = scheme.toLowerCase() === 'dpop';
    if (more.length > 0 || (scheme && !/^[A-Za-z0-9\-._~+/]+=*$/.test(token))) {
      throw this.#no(want, dpop, 400, 'invalid_request', 'send one Authorization header with one token');
    }
    if (scheme) return { dpop, token };
    const challenges = ['Bearer', 'DPoP'].map((one) => this.#challenge(want, one));
    throw new Refusal(401, undefined, 'Send an access token: Authorization: Bearer, or DPoP with its proof.', challenges);
  }

  /** What a token says that is good now. */
  async #judge(token: string): Promise<Claims> {
    if (token.length > maxToken) throw new Bad('it is over 8 KiB');
    const { stale } = this.#settings;
    const { current } = this.#follower;
    const sum = sumOf(token);
    const jwt = token.split('.').length === 3;
    const refused = !current && stale === 'refuse' ? new Unavailable('the feed of endings is not current') : undefined;
    if (refused && !jwt) throw refused;
    const claims = jwt ? (this.#jwts.remembered(sum) ?? (await this.#jwts.verify(token, sum))) : await this.#asked.about(token, sum, current);
    if (this.#marks.end(claims)) throw new Bad(ended); // what is known is known, however old the rest is
    if (refused) throw refused;
    if (!jwt || current || stale !== 'introspect') return claims;
    await this.#asked.about(token, sum, current);
    if (this.#marks.end(claims)) throw new Bad(ended); // meanwhile
    return claims;
  }

  #verdict(error: unknown, want: Want, dpop: boolean): Refusal {
    if (error instanceof Unavailable) {
      this.#settings.log(`No verdict about a token: ${error.message}`);
      return later('There is no verdict about the token at the moment. Ask again.');
    }
    if (!(error instanceof Bad)) throw error;
    const description = error.message === ended ? ended : `The access token is not good here: ${error.message}.`;
    return this.#no(want, dpop, 401, 'invalid_token', description);
  }

  /** Judges whether the token came as it must: with its key's proof, or without any (RFC 9449 §7.1). */
  #bound({ thumbprint }: Claims, want: Want, { dpop, token }: Credential): void {
    const { request } = want;
    if (thumbprint === undefined) {
      if (!dpop && request.dpop.length === 0) return;
      throw this.#no(want, false, 401, 'invalid_token', 'The token is bound to no key: send it as Bearer, without a proof.');
    }
    if (!dpop) throw this.#no(want, true, 401, 'invalid_token', 'The token is bound to a key: send it as DPoP, with its proof.');
    try {
      this.#proofs.check(request.dpop, { method: request.method, url: this.#base(request) + request.path, token, thumbprint });
    } catch (error) {
      if (error instanceof Unavailable) throw later('There is no verdict about the proof at the moment. Ask again.');
      if (!(error instanceof Bad)) throw error;
      throw this.#no(want, true, 401, 'invalid_dpop_proof', error.message);
    }
  }

  /** Judges whether the token is enough for the operation. */
  #enough(c: Claims, want: Want): void {
    const { scopes = [], acr: own, maxAge } = want.operation;
    const dpop = c.thumbprint !== undefined;
    if (!scopes.every((scope) => c.scopes.includes(scope))) {
      throw this.#no(want, dpop, 403, 'insufficient_scope', 'The token lacks a scope.');
    }
    const everyone = c.sid ? this.#follower.acr : undefined;
    const acr = !own || (everyone && c.acr === own) ? everyone : own; // both are needed
    const stepUp = (description: string): Refusal =>
      this.#no(want, dpop, 401, 'insufficient_user_authentication', description, { acr_values: acr, max_age: maxAge?.toString() });
    if (acr && c.acr !== acr) throw stepUp('The person must sign in in another way.');
    if (maxAge === undefined) return;
    if (!c.authTime || this.#settings.clock.wall() - c.authTime.getTime() > 1000 * maxAge) throw stepUp('The person must sign in anew.');
  }

  /** Refuses with a word of RFC 6750, 9449 or 9470, and more parameters of the challenge. */
  #no(want: Want, dpop: boolean, status: number, code: string, description: string, more: Record<string, string | undefined> = {}): Refusal {
    const text = plain(description);
    return new Refusal(status, code, text, [this.#challenge(want, dpop ? 'DPoP' : 'Bearer', { error: code, error_description: text, ...more })]);
  }

  /** All scopes of the operation stand in each: a client that must ask the person anew asks for these, and else for all that the metadata names. */
  #challenge({ request, operation }: Want, scheme: string, params: Record<string, string | undefined> = {}): string {
    const { origin, pathname } = new URL(this.#base(request));
    const resource_metadata = origin + wellKnown + pathname.replace(/\/$/, ''); // the well-known path comes before the API's own (RFC 9728 §3.1)
    const algs = scheme === 'DPoP' ? this.#settings.algs.join(' ') : undefined;
    return challenge(scheme, { ...params, scope: operation.scopes?.join(' '), algs, resource_metadata });
  }
}

/** Makes a guard, which follows the feed from now on. It waits for nothing: until the server is heard, `stale` decides. */
export const createGuard = (config: Config): Guard => new Guard(config);
