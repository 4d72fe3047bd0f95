import { claimsOf, createGuard, express, fastify, handler, metadata, type Claims, type Guard } from '@sojourn-auth/resource';
import createExpress from 'express';
import createFastify from 'fastify';

const guard: Guard = createGuard({ issuer: 'http://localhost:1', clientId: 'notes-api', clientSecret: 'secret', stale: 'refuse' });
const app = createExpress().use(metadata(guard));
app.get('/notes', express(guard, { scopes: ['notes.read'] }), (request, response) => void response.json(claimsOf(request).sub));
createFastify().get('/notes', { onRequest: fastify(guard, { acr: 'mfa', maxAge: 300 }) }, async (request) => claimsOf(request).scopes);
export const GET = handler(guard, {}, (request): Response => {
  const claims: Claims = claimsOf(request);
  return Response.json({ who: claims.sub ?? claims.clientId });
});
console.log((await GET(new Request('http://localhost/notes'))).status);
guard.close();
