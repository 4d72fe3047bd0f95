import { Bad, readObject, type Json } from './claims.js';
import { parse } from './jws.js';
import { maxWindow, type Mark } from './marks.js';
import type { Keys } from './tokens.js';

/** A message with endings: those after position from, up to position to. */
export interface Batch {
  from: number;
  to: number;
  tag: string;
  marks: Mark[];
}

/** A sign of life: up to where the server's endings go. */
export interface Beat {
  at: number;
  tag: string;
  nonce: string;
  issuedAt: number; // milliseconds
  window: number; // milliseconds
  acr: string | undefined; // that every person's token must have; usually none
}

/** Opens what the feed sent: it must be signed by the issuer, as a message of the feed and as nothing else. */
export async function open(text: unknown, keys: Keys, issuer: string): Promise<Json> {
  if (typeof text !== 'string') throw new Bad('a message of the feed is no text');
  const jws = parse(text);
  if (jws.typ !== 'endings+jwt' || jws.alg !== 'ES256') throw new Bad('a message of the feed is of another kind');
  const members = readObject(await keys.verify(jws), 'a message of the feed');
  if (members['iss'] !== issuer) throw new Bad('a message of the feed is of another issuer');
  return members;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function count(members: Json, name: string): number {
  const value = members[name];
  if (!isCount(value)) throw new Bad(`a message of the feed has no ${name} as it should be`);
  return value;
}

function text(members: Json, name: string): string {
  const value = members[name];
  if (typeof value !== 'string') throw new Bad(`a message of the feed has no ${name} as it should be`);
  return value;
}

export function readBatch(members: Json): Batch {
  const [from, to, tag, list] = [count(members, 'from'), count(members, 'to'), text(members, 'tag'), members['marks']];
  if (to < from || !Array.isArray(list) || list.length > 500) throw new Bad('a message of the feed is from nowhere, or too large');
  return { from, to, tag, marks: list.map(readMark) };
}

const lengths: Record<string, number[]> = { s: [2], t: [2], c: [3], p: [3, 4] };

/** Reads one. A kind that is not known is no reason to go on as if nothing had ended. */
function readMark(value: unknown): Mark {
  const [kind, name, epoch = 0, keep = []] = Array.isArray(value) ? (value as unknown[]) : [];
  const known = Array.isArray(value) && typeof kind === 'string' && Object.hasOwn(lengths, kind) && lengths[kind]!.includes(value.length);
  const kept = Array.isArray(keep) && keep.length <= 100 && keep.every((sid) => typeof sid === 'string');
  if (!known || typeof name !== 'string' || !name || !isCount(epoch) || !kept) {
    throw new Bad(`a mark that can't be read: ${String(JSON.stringify(value)).slice(0, 100)}`);
  }
  return { kind: kind as Mark['kind'], name, epoch, keep: keep as string[] };
}

export function readBeat(members: Json): Beat {
  const window = 1000 * count(members, 'window');
  if (window === 0 || window > maxWindow) throw new Bad('a beat of the feed is from nowhere');
  return {
    at: count(members, 'at'),
    tag: text(members, 'tag'),
    nonce: text(members, 'nonce'),
    issuedAt: 1000 * count(members, 'iat'),
    window,
    acr: 'acr' in members ? text(members, 'acr') : undefined,
  };
}
