// Drives a running server with oauth4webapi alone, the library beneath openid-client, as agents' authors do who want no more of it.
// The client is one that nobody registered: a document on this machine is its client_id, and its key proves who it is. Environment and
// output are those of flow.mjs.
import { createServer } from 'node:http';
import * as oauth from 'oauth4webapi';
import { Person } from './person.mjs';
import { failed, passed, promise } from './promises.mjs';

const env = process.env;
const issuer = new URL(env.ISSUER);
const insecure = { [oauth.allowInsecureRequests]: true };
const redirectUri = 'https://agent.example/callback'; // nobody goes there: the person stops at the redirect
const person = new Person(issuer, { username: env.USERNAME, password: env.PASSWORD });

const keys = await oauth.generateKeyPair('ES256');
const signs = { key: keys.privateKey, kid: 'k1' };
const { id, site } = await publish({ ...await crypto.subtle.exportKey('jwk', keys.publicKey), kid: 'k1', use: 'sig' });
const client = { client_id: id, userinfo_signed_response_alg: 'ES256', id_token_signed_response_alg: 'ES256' };
const authentication = oauth.PrivateKeyJwt(signs);
const proof = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
let as;

try {
  as = await promise('discovery says what a client of a document needs', discover);
  await promise('/me says who guards it', meIsGuardedBy);
  const forAPI = await walk(pushed, env.RESOURCE);
  await promise('userinfo takes no token that is for another API', () => refusedAtUserinfo(forAPI));
  await promise('once revoked, the next refresh is refused by its name', () => revoked(forAPI));
  const forIssuer = await walk(pushedObject, as.issuer);
  await promise('userinfo is signed, for this client', () => userinfo(forIssuer));
} catch (error) {
  if (!error.counted) throw error;
}
site.close();
console.log(`${passed()} passed, ${failed()} failed`);
process.exitCode = failed() === 0 ? 0 : 1;

async function publish(key) {
  const documents = { '/keys': { keys: [key] } };
  const listening = createServer((request, response) => {
    response.writeHead(documents[request.url] ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(documents[request.url] ?? {}));
  });
  await new Promise((done) => listening.listen(0, '127.0.0.1', done));
  const home = `http://127.0.0.1:${listening.address().port}`;
  documents['/agent'] = {
    client_id: `${home}/agent`, client_name: 'oauth4webapi', redirect_uris: [redirectUri], jwks_uri: `${home}/keys`,
    token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', dpop_bound_access_tokens: true,
    userinfo_signed_response_alg: 'ES256', id_token_signed_response_alg: 'ES256', request_object_signing_alg: 'ES256',
  };
  return { id: documents['/agent'].client_id, site: listening };
}

// Both well-known addresses say the same (OpenID Connect Discovery 1.0 §4, RFC 8414 §3).
async function discover() {
  const [openid, plain] = await Promise.all(['oidc', 'oauth2'].map(async (algorithm) =>
    oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure }))));
  if (JSON.stringify(openid) !== JSON.stringify(plain)) throw new Error('they differ');
  if (!openid.client_id_metadata_document_supported || !openid.pushed_authorization_request_endpoint) throw new Error(JSON.stringify(openid));
  return openid;
}

async function meIsGuardedBy() {
  const me = new URL('/me', issuer);
  const told = await oauth.processResourceDiscoveryResponse(me, await oauth.resourceDiscoveryRequest(me, insecure));
  if (told.authorization_servers.join() !== as.issuer) throw new Error(JSON.stringify(told));
}

async function pushed(parameters) {
  return oauth.pushedAuthorizationRequest(as, client, authentication, parameters, { DPoP: proof, ...insecure });
}

async function pushedObject(parameters) {
  const request = await oauth.issueRequestObject(as, client, parameters, signs);
  return oauth.pushedAuthorizationRequest(as, client, authentication, { client_id: id, request }, { DPoP: proof, ...insecure });
}

// walk signs the person in and goes on: each answer is checked by the library, each token is bound to the proof's key and for the resource.
async function walk(push, resource) {
  const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
  const uri = await promise(`the request is taken (${push.name})`, () => withNonce(async () => oauth.processPushedAuthorizationResponse(as, client,
    await push(new URLSearchParams({
      client_id: id, redirect_uri: redirectUri, response_type: 'code', scope: 'openid email offline_access notes.read', state, nonce, resource,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    })))));
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({ client_id: id, request_uri: uri.request_uri });
  const answer = await promise('the person signs in to it', async () =>
    oauth.validateAuthResponse(as, client, await person.authorize(url, redirectUri), state));
  const first = await promise('the code becomes tokens', () => withNonce(async () => oauth.processAuthorizationCodeResponse(as, client,
    await oauth.authorizationCodeGrantRequest(as, client, authentication, answer, redirectUri, verifier, { DPoP: proof, ...insecure }),
    { expectedNonce: nonce, requireIdToken: true })));
  const next = await promise('a refresh that names no resource goes on', () => refresh(first.refresh_token));
  for (const tokens of [first, next]) await promise('an API takes the token', () => api(tokens, resource));
  return { ...next, sub: oauth.getValidatedIdTokenClaims(first).sub };
}

function refresh(token) {
  return withNonce(async () => oauth.processRefreshTokenResponse(as, client,
    await oauth.refreshTokenGrantRequest(as, client, authentication, token, { DPoP: proof, ...insecure })));
}

// api is a resource server: the library checks signature, issuer, audience, expiry and the proof (RFC 9068 §4, RFC 9449 §7).
async function api({ access_token: token, token_type: type }, resource) {
  let sent;
  const remember = async (url, options) => {
    sent = new Request(url, options);
    return new Response();
  };
  await oauth.protectedResourceRequest(token, 'GET', new URL(resource), undefined, undefined, { DPoP: proof, [oauth.customFetch]: remember, ...insecure });
  const claims = await oauth.validateJwtAccessToken(as, sent, resource, { requireDPoP: true, ...insecure });
  if (type !== 'dpop' || claims.client_id !== id || !claims.cnf.jkt) throw new Error(JSON.stringify(claims));
}

async function userinfo({ access_token: token, sub }) {
  const told = await withNonce(async () => {
    const response = await oauth.userInfoRequest(as, client, token, { DPoP: proof, ...insecure });
    const said = await oauth.processUserInfoResponse(as, client, sub, response);
    await oauth.validateApplicationLevelSignature(as, response, insecure);
    return said;
  });
  if (told.email !== env.USERNAME || told.aud !== id) throw new Error(JSON.stringify(told));
}

async function refusedAtUserinfo({ access_token: token, sub }) {
  try {
    await userinfo({ access_token: token, sub });
  } catch (error) {
    if (error.cause?.[0]?.parameters?.error === 'invalid_token') return;
    throw error;
  }
  throw new Error('it was answered');
}

async function revoked({ refresh_token: token }) {
  const answer = await oauth.revocationRequest(as, client, authentication, token, insecure);
  await oauth.processRevocationResponse(answer);
  try {
    await refresh(token);
  } catch (error) {
    if (error.error === 'invalid_grant') return;
    throw error;
  }
  throw new Error('it was answered');
}

// withNonce tries again where the server asks for a nonce of its own in the proof (RFC 9449 §8).
async function withNonce(run) {
  try {
    return await run();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return run();
  }
}
