// The vectors of sdk/contract: inputs with the one right output, answered by the functions that the SDK itself uses.
import { digest, thumbprint, webHash } from '../src/crypto.js';
import { isKind } from '../src/errors.js';
import { languages } from '../src/languages.js';
import { retryAfter, ask } from '../src/http.js';
import { sentence } from '../src/ended.js';
import { open, proof } from '../src/proof.js';
import type { PublicJwk } from '../src/ports.js';
import { refusal, verdict } from '../src/verdict.js';

type Json = Record<string, unknown>;

/** vector answers one. */
export async function vector(kind: string, input: Json): Promise<unknown> {
  switch (kind) {
    case 'pkce':
      return digest(webHash, textOf(input, 'verifier'));
    case 'thumbprint':
      return thumbprint(webHash, (input['jwk'] ?? input) as PublicJwk);
    case 'ath':
      return digest(webHash, textOf(input, 'token', 'access_token'));
    case 'proof':
      return makeProof(input);
    case 'action':
      return action(input);
    case 'retry_after':
      return retryAfter(new Headers({ 'Retry-After': textOf(input, 'value'), Date: dateOf(input) })) ?? 0;
    case 'sentence':
      return sentence(textOf(input, 'reason'), textOf(input, 'lang'), languages);
    default:
      throw new Error(`there are no vectors ${kind}`);
  }
}

function textOf(input: unknown, ...names: string[]): string {
  if (typeof input === 'string') return input;
  return String(names.map((name) => (input as Json)[name]).find((value) => value !== undefined));
}

async function makeProof(input: Json): Promise<string> {
  const { key, htm, htu, iat, jti, nonce, token } = input as Record<string, string>;
  const signer = await open(globalThis.crypto.subtle, key as unknown as JsonWebKey);
  return proof(webHash, signer, { method: htm!, url: htu!, iat: Number(iat), jti: jti!, nonce, token });
}

const dateOf = ({ now }: Json): string => new Date(Number(now) * 1000).toUTCString();

/** action lets the SDK read the answer as it comes from the network. */
async function action(input: Json): Promise<Json> {
  const { status, headers, body } = input;
  const bodiless = [204, 304].includes(Number(status));
  const fetch = async () => new Response(bodiless ? null : String(body), { status: Number(status), headers: { Date: dateOf(input), ...(headers as object) } });
  try {
    const answer = await ask(fetch, { url: 'https://id.example/token' });
    const judged = verdict(answer);
    return { do: judged === 'tokens' ? 'use' : judged, after: (judged === 'retry' && refusal(answer).retryAfter) || 0 };
  } catch (error) {
    if (!isKind(error, 'offline')) throw error;
    return { do: 'retry', after: error.retryAfter ?? 0 };
  }
}
