/**
 * What an app runs on in Node 20 and later: a folder, a lock file, the system's browser.
 *
 * @packageDocumentation
 */
import { join } from 'node:path';
import { languages } from '../languages.js';
import type { Browser, Keys, Languages, Lock, Store } from '../index.js';
import { fileKeys, fileStore } from './files.js';
import { fileLock } from './lock.js';
import { loopbackBrowser, type LoopbackOptions } from './loopback.js';

export * from '../index.js';
export { languages } from '../languages.js';
export { fileKeys, fileStore } from './files.js';
export { fileLock } from './lock.js';
export { loopbackBrowser, systemBrowser } from './loopback.js';
export type { LoopbackOptions } from './loopback.js';

export interface NodePorts {
  readonly store: Store;
  readonly lock: Lock;
  readonly keys: Keys;
  readonly browser: Browser;
  readonly languages: Languages;
  readonly language: string;
}

/** nodePorts keeps everything in a folder, which all processes of the app share: `createApp({ issuer, …, ...nodePorts(folder) })`. */
export function nodePorts(folder: string, how?: LoopbackOptions): NodePorts {
  return {
    store: fileStore(folder),
    lock: fileLock(join(folder, 'lock')),
    keys: fileKeys(folder),
    browser: loopbackBrowser(how),
    languages,
    language: Intl.DateTimeFormat().resolvedOptions().locale,
  };
}
