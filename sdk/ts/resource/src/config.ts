import { systemClock, type Clock } from './clock.js';
import { algs, type Alg } from './jws.js';
import { safeURL } from './server.js';

/** Whose tokens a guard takes, and for what. */
export interface Config {
  /** The server's. */
  issuer: string;
  /** Who tokens must be for. The usual: the issuer. */
  audience?: string;
  /** Of the API: a confidential client that the operator added, which may introspect and follow the feed. */
  clientId: string;
  clientSecret: string;
  /** What is done while the feed of endings is not current: `introspect` each token (the usual), `refuse` with 503, or `accept` by signature, expiry and the endings that are known. */
  stale?: 'introspect' | 'refuse' | 'accept';
  /** Where callers find the API. The usual: what the request says, which a proxy may have changed. */
  baseURL?: string;
  /** Of the API, for people. */
  name?: string;
  /** All that the API knows, for its metadata. */
  scopes?: readonly string[];
  /** The usual: ES256. */
  algs?: readonly Alg[];
  /** Takes access tokens of servers that know no RFC 9068: typ JWT, or none. */
  typJWT?: boolean;
  /** Told when the feed is away, and when it is followed again. Never has a secret or a token. The usual: nobody. */
  log?: (message: string) => void;
  clock?: Clock;
  fetch?: typeof fetch;
}

/** A config with everything in it. */
export type Settings = Required<Omit<Config, 'baseURL' | 'name'>> & { baseURL: string | undefined; name: string | undefined };

function base(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url?.host || url.search || url.hash) throw new TypeError(`baseURL: ${text} is no URL such as https://api.example.com`);
  return text.replace(/\/$/, '');
}

/** Fills in what is usual, or says what is wrong. */
export function complete(config: Config): Settings {
  const { issuer, stale = 'introspect', baseURL } = config;
  safeURL(issuer);
  if (!config.clientId || !config.clientSecret) {
    throw new TypeError('clientId, clientSecret: an API has a client of its own (sojourn client add --secret-stdin)');
  }
  if (!['introspect', 'refuse', 'accept'].includes(stale)) throw new TypeError(`stale: ${stale} is none of introspect, refuse, accept`);
  const taken = config.algs?.length ? config.algs : (['ES256'] as const);
  const wrong = taken.find((alg) => !algs.includes(alg));
  if (wrong) throw new TypeError(`algs: ${wrong} is none of ${algs.join(', ')}`);
  return {
    issuer,
    audience: config.audience || issuer,
    clientId: config.clientId,
    clientSecret: config.clientSecret,
    stale,
    baseURL: baseURL === undefined ? undefined : base(baseURL),
    name: config.name,
    scopes: config.scopes ?? [],
    algs: taken,
    typJWT: config.typJWT ?? false,
    log: config.log ?? (() => undefined),
    clock: config.clock ?? systemClock,
    fetch: config.fetch ?? ((url, init) => fetch(url, init)),
  };
}
