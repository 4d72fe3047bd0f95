// What an answer of the token endpoint means (docs/mobile.md, rule 5): from the top, for any OpenID provider.
import { AppError, offline } from './errors.js';
import type { Answer } from './http.js';
import { notHere, retryAfter } from './http.js';

export type Verdict = 'tokens' | 'nonce' | 'login' | 'stop' | 'retry';

/** Errors of servers without `action` that say: a mistake in the app, or in how it is registered. */
const mistakes = ['invalid_client', 'unauthorized_client', 'unsupported_grant_type', 'invalid_request', 'invalid_scope', 'invalid_target'];

/** verdict judges an answer. What is no JSON of the server's has been sorted out before: it is no answer. */
export function verdict({ status, headers, body }: Answer): Verdict {
  const { error, action } = body;
  if (status >= 200 && status < 300) return typeof body['access_token'] === 'string' && typeof body['token_type'] === 'string' ? 'tokens' : 'retry';
  if (status < 400 || status === 429 || status >= 500 || notHere(status) || typeof error !== 'string') return 'retry';
  if (error === 'use_dpop_nonce' && headers.get('DPoP-Nonce')) return 'nonce';
  if (action === 'login' || (!action && error === 'invalid_grant')) return 'login';
  if (action === 'stop' || (!action && mistakes.includes(error))) return 'stop';
  return 'retry';
}

/** refusal is the error that an answer without tokens becomes. */
export function refusal(answer: Answer): AppError {
  const { error, error_description: why } = answer.body;
  const code = typeof error === 'string' ? error : undefined;
  const said = `The server says ${code ?? answer.status}${typeof why === 'string' ? `: ${why}` : '.'}`;
  const judged = verdict(answer);
  if (judged === 'stop') return new AppError('stop', said, { code });
  if (judged === 'login') return new AppError('ended', said, { code });
  return offline(said, undefined, retryAfter(answer.headers));
}
