import type { Ended } from './ended.js';

/**
 * What an app does about an error. The words are the same in every language of these SDKs (sdk/contract).
 *
 * - `ended`: the session is over; `ended` says why, in words for the person too. Show the sign-in page.
 * - `signed_out`: nobody is signed in here.
 * - `offline`: no usable answer yet; all is kept. Try again later, after `retryAfter` seconds if it says so.
 * - `stop`: the app or the server is set up wrongly; all is kept, and asking again brings the same.
 * - `store`: the store can't be read or written now; all is kept. Try again when the device is unlocked.
 * - `cancelled`: the person closed the browser, or the app began another sign-in.
 * - `refused`: the browser came back with an error (`code`); what was before stays.
 * - `start_again`: the sign-in took too long. Begin another.
 * - `not_mine`: a redirect that belongs to no sign-in of this app. Nothing has changed.
 * - `wrong_issuer`: a redirect that another server sent. Nothing has changed.
 * - `invalid`: the ID token is not the server's, or not for this app. The tokens are dropped.
 * - `lost`: thrown by a Store whose record is damaged for good.
 */
export type Kind =
  | 'ended' | 'signed_out' | 'offline' | 'stop' | 'store' | 'cancelled' | 'refused' | 'start_again' | 'not_mine' | 'wrong_issuer'
  | 'invalid' | 'lost';

interface More {
  readonly code?: string | undefined;
  readonly cause?: unknown;
  readonly retryAfter?: number | undefined;
  readonly ended?: Ended;
}

/** Every error of this package. */
export class AppError extends Error {
  /** The protocol's, where it has one: `invalid_client`, `access_denied`. */
  readonly code: string | undefined;
  /** Seconds. */
  readonly retryAfter: number | undefined;
  readonly ended: Ended | undefined;

  constructor(readonly kind: Kind, message: string, { cause, code, retryAfter, ended }: More = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'AppError';
    this.code = code;
    this.retryAfter = retryAfter;
    this.ended = ended;
  }
}

/** isKind tells errors of this package apart; without kinds, from all others. It goes by name, so that two copies of the package in one app agree. */
export function isKind(error: unknown, ...kinds: Kind[]): error is AppError {
  return error instanceof Error && error.name === 'AppError' && (kinds.length === 0 || kinds.includes((error as AppError).kind));
}

export const offline = (message: string, cause?: unknown, retryAfter?: number): AppError =>
  new AppError('offline', message, { cause, retryAfter });

export const storeTrouble = (what: string, cause: unknown): AppError =>
  new AppError('store', `The store can't be ${what} now. Nothing is lost.`, { cause });
