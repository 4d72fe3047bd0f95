/** How many parts a table has: while one grows, only its own entries are there twice. */
const shards = 64;

/** A hash of 64 bits, in two halves. */
export interface Hash {
  readonly hi: number;
  readonly lo: number;
}

interface Part {
  hashes: Uint32Array; // two an entry; 0, 0 is free
  values: Float64Array | undefined;
  used: number;
}

const size = (part: Part): number => part.hashes.length / 2;
const free = (part: Part, i: number): boolean => part.hashes[2 * i] === 0 && part.hashes[2 * i + 1] === 0;

/** Where a hash is, or would be. */
function place(part: Part, h: Hash): number {
  const length = size(part);
  for (let i = Math.floor((h.hi * length) / 2 ** 32); ; i = i + 1 === length ? 0 : i + 1) {
    if (free(part, i) || (part.hashes[2 * i] === h.hi && part.hashes[2 * i + 1] === h.lo)) return i;
  }
}

function put(part: Part, h: Hash, value: number): boolean {
  const i = place(part, h);
  const fresh = free(part, i);
  part.hashes[2 * i] = h.hi;
  part.hashes[2 * i + 1] = h.lo;
  if (part.values) part.values[i] = Math.max(part.values[i] ?? 0, value);
  if (fresh) part.used++;
  return fresh;
}

function empty(length: number, values: boolean): Part {
  return { hashes: new Uint32Array(2 * length), values: values ? new Float64Array(length) : undefined, used: 0 };
}

/** The same entries with room for half as many again. */
function grown(old: Part): Part {
  const part = empty(Math.max(16, Math.floor(1.5 * size(old))), old.values !== undefined);
  for (let i = 0; i < size(old); i++) {
    if (!free(old, i)) put(part, { hi: old.hashes[2 * i]!, lo: old.hashes[2 * i + 1]! }, old.values?.[i] ?? 0);
  }
  return part;
}

/** A set of hashes, each with a number where `numbers` is set, in open addressing: 8 or 16 bytes an entry and at most twice that. */
export class Table {
  readonly #parts: Part[];
  entries = 0;

  constructor(numbers = false) {
    this.#parts = Array.from({ length: shards }, () => empty(0, numbers));
  }

  /** Puts a hash in; of two numbers the greater one stays. */
  add(h: Hash, value = 0): void {
    const at = h.lo % shards;
    let part = this.#parts[at]!;
    if (part.used * 8 >= size(part) * 7) part = this.#parts[at] = grown(part);
    if (put(part, h, value)) this.entries++;
  }

  /** The number of a hash (0 where the table has none); undefined if the hash is not there. */
  find(h: Hash): number | undefined {
    const part = this.#parts[h.lo % shards]!;
    if (part.used === 0) return undefined;
    const i = place(part, h);
    return free(part, i) ? undefined : (part.values?.[i] ?? 0);
  }
}
