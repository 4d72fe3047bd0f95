/** Why a request is not served, and what to answer. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly status: number;
  /** Of RFC 6750 §3.1, RFC 9449 §7.1 and RFC 9470 §3; undefined where no credential came. */
  readonly code: string | undefined;
  /** One WWW-Authenticate each. */
  readonly challenges: readonly string[];
  /** Seconds; undefined where waiting is no help. */
  readonly retryAfter: number | undefined;

  constructor(status: number, code: string | undefined, description: string, challenges: readonly string[] = [], retryAfter?: number) {
    super(description);
    this.status = status;
    this.code = code;
    this.challenges = challenges;
    this.retryAfter = retryAfter;
  }

  /** The headers of the answer, WWW-Authenticate left out: it may be there twice. */
  get headers(): Record<string, string> {
    return {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      ...(this.retryAfter !== undefined && { 'Retry-After': String(this.retryAfter) }),
    };
  }

  get body(): string {
    return JSON.stringify({ ...(this.code !== undefined && { error: this.code }), error_description: this.message });
  }

  /** The answer of a fetch handler. */
  toResponse(): Response {
    const headers = new Headers(this.headers);
    for (const challenge of this.challenges) headers.append('WWW-Authenticate', challenge);
    return new Response(this.body, { status: this.status, headers });
  }
}

/** No verdict. */
export const later = (description: string): Refusal => new Refusal(503, 'temporarily_unavailable', description, [], 1);

/** All that RFC 6750 §3 allows in error_description. */
export const plain = (text: string): string => text.replace(/[^ -~]|["\\]/g, "'");

/** Spells a challenge (RFC 9110 §11.6.1) with the parameters that are not empty, in their order. */
export function challenge(scheme: string, params: Record<string, string | undefined>): string {
  const spelt = Object.entries(params).flatMap(([name, value]) => (value ? [`${name}="${value.replace(/["\\]/g, '\\$&')}"`] : []));
  return `${scheme} ${spelt.join(', ')}`;
}
