import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Claims } from './claims.js';
import type { Guard, Incoming, Operation } from './guard.js';
import { Refusal } from './refusal.js';

const callers = new WeakMap<object, { claims: Claims; guard: Guard }>();

/** Judges a request; behind another check by the same guard, only what the operation needs beyond that one. */
async function judge(guard: Guard, operation: Operation, request: object, asked: Incoming): Promise<void> {
  const known = callers.get(request);
  const claims = known?.guard === guard ? guard.more(known.claims, asked, operation) : await guard.check(asked, operation);
  callers.set(request, { claims, guard });
}

/** Who calls, by the request that a handler behind a guard got (Express', Fastify's, or a Request). */
export function claimsOf(request: object): Claims {
  const known = callers.get(request);
  if (!known) throw new TypeError('This request came through no guard.');
  return known.claims;
}

/** Each value of a header, as it came: Node drops or joins those that come twice. */
function values(request: IncomingMessage, name: string): string[] {
  const raw = request.rawHeaders;
  return raw.filter((_, i) => i % 2 === 1 && raw[i - 1]!.toLowerCase() === name);
}

function incoming(request: IncomingMessage & { originalUrl?: string }): Incoming {
  const secure = (request.socket as TLSSocket).encrypted === true;
  const host = request.headers.host ?? '';
  const origin = `${secure ? 'https' : 'http'}://${/^[\w.:[\]-]+$/.test(host) ? host : 'invalid'}`;
  const path = (request.originalUrl ?? request.url ?? '/').replace(/[?#].*$/s, '');
  return { method: request.method ?? 'GET', origin, path, authorization: values(request, 'authorization'), dpop: values(request, 'dpop') };
}

function answer(response: ServerResponse, refusal: Refusal): void {
  response.writeHead(refusal.status, { ...refusal.headers, ...(refusal.challenges.length > 0 && { 'WWW-Authenticate': [...refusal.challenges] }) });
  response.end(refusal.body);
}

const metadataHeaders = { 'Content-Type': 'application/json', 'Access-Control-Allow-Origin': '*', 'Cache-Control': 'max-age=300' };

/** Express middleware: lets the next handler have the requests that bring what the operation needs, and answers the others. */
export const express =
  (guard: Guard, operation: Operation = {}) =>
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void => {
    judge(guard, operation, request, incoming(request)).then(
      () => next(),
      (error: unknown) => (error instanceof Refusal ? answer(response, error) : next(error)),
    );
  };

/** Express middleware that serves the API's metadata (RFC 9728): `app.use(metadata(guard))`. */
export const metadata =
  (guard: Guard) =>
  (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const { method, path, origin } = incoming(request);
    if ((method !== 'GET' && method !== 'HEAD') || !guard.isMetadata(path)) return next();
    response.writeHead(200, metadataHeaders).end(JSON.stringify(guard.metadata({ origin })));
  };

/** What Fastify's hooks get, as far as a guard reads it. */
interface FastifyRequestLike {
  raw: IncomingMessage;
}
interface FastifyReplyLike {
  hijack(): unknown;
  raw: ServerResponse;
}

/** A hook of Fastify: `{ onRequest: fastify(guard, { scopes: ['notes.read'] }) }`. */
export const fastify =
  (guard: Guard, operation: Operation = {}) =>
  async (request: FastifyRequestLike, reply: FastifyReplyLike): Promise<void> => {
    try {
      await judge(guard, operation, request, incoming(request.raw));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      reply.hijack();
      answer(reply.raw, error);
    }
  };

/** A hook of Fastify that serves the metadata: `app.addHook('onRequest', fastifyMetadata(guard))`. */
export const fastifyMetadata =
  (guard: Guard) =>
  async (request: FastifyRequestLike, reply: FastifyReplyLike): Promise<void> => {
    metadata(guard)(request.raw, reply.raw, () => undefined);
    if (reply.raw.writableEnded) reply.hijack();
  };

/** A header of fetch, which joins those that come twice: no token and no proof has a comma. */
const joined = (request: Request, name: string): string[] => request.headers.get(name)?.split(/, */) ?? [];

/** Wraps a fetch handler (Hono, Deno, Next): `Request` → `Response`. The metadata is served too. */
export const handler =
  <Rest extends unknown[]>(guard: Guard, operation: Operation, serve: (request: Request, ...rest: Rest) => Response | Promise<Response>) =>
  async (request: Request, ...rest: Rest): Promise<Response> => {
    const { origin, pathname: path } = new URL(request.url);
    if (request.method === 'GET' && guard.isMetadata(path)) return Response.json(guard.metadata({ origin }), { headers: metadataHeaders });
    try {
      const [authorization, dpop] = [joined(request, 'authorization'), joined(request, 'dpop')];
      await judge(guard, operation, request, { method: request.method, origin, path, authorization, dpop });
    } catch (error) {
      if (error instanceof Refusal) return error.toResponse();
      throw error;
    }
    return serve(request, ...rest);
  };
