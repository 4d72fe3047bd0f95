// Why a session is over, and how to say so to the person. Reasons are those of `session.ended` (docs/mobile.md), and three of
// our own: `key_lost`, `store_damaged`, and `unknown`, where the server said only that they must sign in.

/** An ended session: one value, with everything that an app shows. */
export interface Ended {
  readonly reason: string;
  /** When the server says that it ended, or when it was heard of here. Milliseconds since 1970. */
  readonly at: number;
  /** For the person, in the app's language. */
  readonly message: string;
}

/** A sentence for each reason. */
export type Sentences = Readonly<Record<string, string>>;

/** More languages than English, by their two letters: see `@sojourn-auth/app/languages`. */
export type Languages = Readonly<Record<string, Sentences>>;

/** The same in every language of these SDKs: sdk/contract/vectors/sentences.json. */
const english: Sentences = {
  reuse: 'You were signed out to protect your account: the sign-in of this app was used somewhere else too. Please sign in again.',
  forks: 'You were signed out to protect your account. Please sign in again.',
  code_replayed: 'You were signed out to protect your account. Please sign in again.',
  revoked: 'You were signed out. Please sign in again.',
  signed_out: 'You signed out.',
  replaced: 'You signed in again, so this sign-in ended.',
  ended_by_user: 'You signed this device out from another one. Please sign in again.',
  not_me: 'You said that a sign-in was not yours, so all devices were signed out. Please sign in again.',
  password_changed: 'Your password was changed. Please sign in with the new one.',
  password_reset: 'Your password was reset. Please sign in with the new one.',
  factor_changed: 'How you prove that it is you was changed. Please sign in again.',
  email_changed: 'Your e-mail address was changed. Please sign in with the new one.',
  consent_withdrawn: 'You took back what you had allowed this app. Sign in again to allow it.',
  client_deleted: 'This app may not sign people in any more.',
  client_disabled: 'This app may not sign people in at the moment.',
  user_disabled: 'Your account is locked. Please ask whoever runs it.',
  user_deleted: 'Your account was deleted.',
  too_many_sessions: 'You are signed in on many devices, so the one unused for longest was signed out. Please sign in again.',
  ended_by_operator: 'You were signed out. Please sign in again.',
  idle: 'You have not used this app for a long time. Please sign in again.',
  expired: 'It is time to sign in again.',
  unknown: 'You were signed out. Please sign in again.',
  key_lost: 'This device has lost the key of your sign-in. Please sign in again.',
  store_damaged: 'What this device had kept of your sign-in can\'t be read any more. Please sign in again.',
};

/** sentence says to a person why a session is over: in the language, or in English where that is not among the languages. */
export function sentence(reason: string, language: string | undefined, languages: Languages = {}): string {
  const sentences = languages[(language ?? '').toLowerCase().split(/[-_]/)[0]!] ?? english;
  return Object.hasOwn(sentences, reason) ? sentences[reason]! : sentences['ended_by_operator']!;
}
