/**
 * Protects an API with the access tokens of a Sojourn server: it verifies them, asks the server nothing per request, and still
 * refuses an ended session within the second, because it follows the server's feed of endings.
 *
 * Its one rule: nothing that was ended is believed longer than the feed's silence of five seconds, after which `stale` decides; and
 * no clock that people set has a say in that. The contract is sdk/contract/resource/README.md.
 */
export { claimsOf, express, fastify, fastifyMetadata, handler, metadata } from './adapters.js';
export type { Claims } from './claims.js';
export type { Clock } from './clock.js';
export type { Config } from './config.js';
export { createGuard, Guard, type Incoming, type Operation, type Status } from './guard.js';
export type { Alg } from './jws.js';
export { Refusal } from './refusal.js';
