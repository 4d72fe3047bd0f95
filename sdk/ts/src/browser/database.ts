// A drawer of IndexedDB: what is put there is on the disk when put resolves, and can be a CryptoKey.

export interface Drawer {
  get(key: string): Promise<unknown>;
  put(key: string, value: unknown): Promise<void>;
  /** Tells the other tabs that something was put. */
  announce(): void;
  watch(changed: () => void): () => void;
}

const drawer = 'kept';

/** database is a drawer under a name of this origin. It is opened when it is first needed. */
export function database(name: string): Drawer {
  let opened: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> => (opened ??= connect(name, () => (opened = undefined)).catch((error: unknown) => {
    opened = undefined;
    throw error;
  }));
  const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(`${name}-app`);
  return {
    get: async (key) => {
      const request = (await open()).transaction(drawer).objectStore(drawer).get(key);
      return settle(request);
    },
    put: async (key, value) => {
      const transaction = (await open()).transaction(drawer, 'readwrite', { durability: 'strict' });
      transaction.objectStore(drawer).put(value, key);
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      });
    },
    announce: () => channel?.postMessage('saved'),
    watch: (changed) => {
      channel?.addEventListener('message', changed);
      return () => channel?.removeEventListener('message', changed);
    },
  };
}

/** connect opens the database. `gone` hears that it was closed from outside: by the browser, or by a newer version of the app. */
async function connect(name: string, gone: () => void): Promise<IDBDatabase> {
  const request = indexedDB.open(`${name}-app`, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(drawer);
  const db = (await settle(request)) as IDBDatabase;
  db.onclose = gone;
  db.onversionchange = () => (db.close(), gone());
  return db;
}

const settle = (request: IDBRequest): Promise<unknown> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
