// A store of files for Node: a folder of mode 0700 with the record, the one before it, and the key, each of mode 0600.
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, webCryptoKeys, type Keys, type Store } from '../index.js';

/** fileStore keeps the record in a folder: flushed, replaced at once, never half. */
export function fileStore(folder: string): Store {
  const newest = join(folder, 'record.json');
  const before = join(folder, 'record.old.json');
  return {
    load: async () => {
      const [one, other] = [await read(newest), await read(before)];
      if (one instanceof Error && !other) throw one;
      // Where the newest is damaged the one before it is good: an honest retry (docs/refresh.md).
      return one instanceof Error || one === undefined ? settled(other) : one;
    },
    check: async () => {
      await make(folder);
      await write(join(folder, 'record.new.json'), ' '.repeat(16_384), false);
    },
    save: async (record, alone) => {
      await make(folder);
      const fresh = join(folder, 'record.new.json');
      await write(fresh, JSON.stringify(record), true);
      if (alone) await rm(before, { force: true });
      else await rename(newest, before).catch(unless('ENOENT'));
      await rename(fresh, newest);
      await flush(folder);
    },
  };
}

function settled(kept: unknown): unknown {
  if (kept instanceof Error) throw kept;
  return kept;
}

/** fileKeys keeps the key as a JWK beside the record: as safe as the refresh token is there. */
export function fileKeys(folder: string): Keys {
  const file = join(folder, 'key.json');
  return webCryptoKeys(
    {
      load: async () => {
        const kept = await read(file);
        return kept instanceof Error ? undefined : kept; // a key that is damaged is lost
      },
      save: async (jwk) => {
        await make(folder);
        await write(file, JSON.stringify(jwk), true);
        await flush(folder);
      },
    },
    true,
  );
}

/** read returns what a file holds: undefined where there is none, a `lost` error where it is damaged. */
async function read(file: string): Promise<unknown> {
  let text: string;
  try {
    const { uid } = await stat(file);
    if (process.getuid && uid !== process.getuid()) throw new Error(`${file} belongs to another user`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    return unless('ENOENT')(error);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    return new AppError('lost', `${file} is damaged.`, { cause });
  }
}

const unless = (code: string) => (error: unknown): undefined => {
  if ((error as NodeJS.ErrnoException).code !== code) throw error;
};

const make = (folder: string): Promise<unknown> => mkdir(folder, { recursive: true, mode: 0o700 });

async function write(file: string, text: string, durable: boolean): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    if (durable) await handle.sync();
  } finally {
    await handle.close();
  }
}

/** flush makes a rename survive a power cut. Windows can't open folders, and needs none of it. */
async function flush(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
