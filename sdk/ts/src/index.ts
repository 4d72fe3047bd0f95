/**
 * Keeps people signed in to an app, by OpenID Connect. See the README for the first ten lines, and `App` for the rest.
 *
 * @packageDocumentation
 */
export { createApp } from './app.js';
export type { App, State, Token } from './app.js';
export type { Happenings } from './context.js';
export { sentence } from './ended.js';
export type { Ended, Languages, Sentences } from './ended.js';
export { AppError, isKind } from './errors.js';
export type { Kind } from './errors.js';
export { memoryStore, systemClock, taskLock } from './ports.js';
export type { Browser, Clock, Device, Fetch, Hash, Keys, Lock, Opened, Options, Ports, ProofKey, PublicJwk, Random, Store } from './ports.js';
export { webCryptoKeys } from './proof.js';
export type { KeyPlace } from './proof.js';
export type { Identity } from './record.js';
export type { Asked } from './signin.js';
export type { HowToSignOut } from './signout.js';
