// The Keychain of iOS and the Keystore of Android, by the modules that apps have: react-native-keychain or expo-secure-store. The
// items stay on this device and can be read once it was unlocked after its start, so that a refresh in the background works.
import { AppError, type Store } from '../index.js';
import type { KeyPlace } from '../index.js';

/** Items is what both modules come down to: text under a name, on the disk when put resolves. */
interface Items {
  get(name: string): Promise<string | null>;
  put(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
}

/** What is needed of react-native-keychain: `import * as Keychain from 'react-native-keychain'`. */
export interface KeychainModule {
  readonly ACCESSIBLE: { readonly AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY: unknown };
  getGenericPassword(options: { service: string }): Promise<false | { password: string }>;
  setGenericPassword(username: string, password: string, options: { service: string; accessible?: never }): Promise<unknown>;
  resetGenericPassword(options: { service: string }): Promise<unknown>;
}

/** What is needed of expo-secure-store: `import * as SecureStore from 'expo-secure-store'`. */
export interface SecureStoreModule {
  readonly AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY: number;
  getItemAsync(name: string, options?: { keychainAccessible?: number }): Promise<string | null>;
  setItemAsync(name: string, text: string, options?: { keychainAccessible?: number }): Promise<void>;
  deleteItemAsync(name: string, options?: { keychainAccessible?: number }): Promise<void>;
}

/** Kept is where an app keeps its record and its key. */
export interface Kept {
  readonly store: Store;
  readonly place: KeyPlace;
}

/** keychain keeps things by react-native-keychain, under services that begin with a name of the app's. */
export function keychain(module: KeychainModule, name = 'sojourn'): Kept {
  const accessible = module.ACCESSIBLE.AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY as never;
  return kept(name, {
    get: async (service) => ((await module.getGenericPassword({ service })) || { password: null }).password,
    put: async (service, text) => {
      if (!(await module.setGenericPassword('app', text, { service, accessible }))) throw new Error('the keychain took nothing');
    },
    remove: async (service) => void (await module.resetGenericPassword({ service })),
  });
}

/** secureStore keeps things by expo-secure-store, in pieces: an item of it holds two kilobytes. */
export function secureStore(module: SecureStoreModule, name = 'sojourn'): Kept {
  const options = { keychainAccessible: module.AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY };
  return kept(name, {
    get: (item) => module.getItemAsync(item, options),
    put: (item, text) => module.setItemAsync(item, text, options),
    remove: (item) => module.deleteItemAsync(item, options),
  });
}

/**
 * A phone's app is one process, so what was read once is remembered: reading a keychain takes milliseconds. An iOS extension
 * that shares the items is another process; let it ask the app.
 */
function kept(name: string, items: Items): Kept {
  let memory: { record: unknown } | undefined;
  return {
    store: {
      load: async () => (memory ??= { record: await readPieces(items, name) }).record,
      check: () => items.put(`${name}.check`, 'x'),
      save: async (record, alone) => {
        memory = undefined;
        await writePieces(items, name, { record, alone });
        memory = { record };
      },
    },
    place: {
      load: async () => JSON.parse((await items.get(`${name}.key`)) ?? 'null') as unknown,
      save: (key) => items.put(`${name}.key`, JSON.stringify(key)),
    },
  };
}

const pieceSize = 1800;

interface Head {
  /** Which writing this is, and in how many pieces. */
  readonly nth: number;
  readonly pieces: number;
  /** The one before it, still there. */
  readonly before?: Head;
}

const ascii = (text: string): string => text.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
const piece = (name: string, nth: number, i: number): string => `${name}.${nth}.${i}`;

/** writePieces writes the pieces first and the head last: until then the record is what it was. */
async function writePieces(items: Items, name: string, { record, alone }: { record: unknown; alone: boolean }): Promise<void> {
  const text = ascii(JSON.stringify(record));
  const old = await head(items, name);
  const next: Head = { nth: (old?.nth ?? 0) + 1, pieces: Math.ceil(text.length / pieceSize) };
  for (let i = 0; i < next.pieces; i++) await items.put(piece(name, next.nth, i), text.slice(i * pieceSize, (i + 1) * pieceSize));
  const { before, ...last } = old ?? { before: undefined };
  await items.put(name, JSON.stringify(old && !alone ? { ...next, before: last } : next));
  for (const gone of [before, ...(alone ? [old] : [])]) {
    for (let i = 0; i < (gone?.pieces ?? 0); i++) await items.remove(piece(name, gone!.nth, i)).catch(() => undefined);
  }
}

async function head(items: Items, name: string): Promise<Head | undefined> {
  const text = await items.get(name);
  return text === null ? undefined : (JSON.parse(text) as Head);
}

async function readPieces(items: Items, name: string): Promise<unknown> {
  const newest = await head(items, name);
  if (!newest) return undefined;
  for (const one of [newest, newest.before]) {
    if (!one) continue;
    let text = '';
    for (let i = 0; i < one.pieces; i++) text += (await items.get(piece(name, one.nth, i))) ?? '\n';
    try {
      return JSON.parse(text);
    } catch {
      // the one before it
    }
  }
  throw new AppError('lost', 'The keychain’s items are damaged.');
}
