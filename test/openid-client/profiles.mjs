// Drives a running server with openid-client as clients do that use more of OpenID Connect than most. Environment and output are
// those of flow.mjs; each client registers itself.
import { exportJWK, generateKeyPair } from 'jose';
import * as client from 'openid-client';
import { Person } from './person.mjs';
import { failed, passed, promise } from './promises.mjs';

const env = process.env;
const issuer = new URL(env.ISSUER);
const execute = issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [];
const redirectUri = 'https://app.example/callback'; // nobody goes there: the person stops at the redirect
const person = new Person(issuer, { username: env.USERNAME, password: env.PASSWORD });

for (const walk of [formPost, requestObject, pushedRequest, resource, claims, signedUserinfo, ed25519]) {
  console.log(`# ${walk.name}`);
  try {
    await walk();
  } catch (error) {
    if (!error.counted) throw error;
  }
}
console.log(`${passed()} passed, ${failed()} failed`);
process.exitCode = failed() === 0 ? 0 : 1;

async function formPost() {
  const config = await register({});
  const answer = await signIn(config, { response_mode: 'form_post' }, client.buildAuthorizationUrl);
  await promise('the answer came by a form', () => {
    if (!(answer.callback instanceof Request)) throw new Error(`it came as ${answer.callback}`);
  });
  await redeem(config, answer);
}

// The object is signed with a registered key; the address holds nothing else.
async function requestObject() {
  for (const alg of ['ES256', 'PS256', 'RS256']) {
    const { config, key } = await registerSigner(alg, { require_signed_request_object: true, request_object_signing_alg: alg });
    const build = (...args) => client.buildAuthorizationUrlWithJAR(...args, key);
    await redeem(config, await signIn(config, {}, build));
    await promise('a request without one is refused', async () => {
      const { callback } = await signIn(config, {}, client.buildAuthorizationUrl);
      if (callback.searchParams.get('error') !== 'invalid_request') throw new Error(callback.href);
    });
  }
}

async function pushedRequest() {
  const { config, key } = await registerSigner('ES256', {
    require_pushed_authorization_requests: true, token_endpoint_auth_method: 'private_key_jwt',
  }, client.PrivateKeyJwt);
  const answer = await signIn(config, {}, client.buildAuthorizationUrlWithPAR);
  await promise('the address holds the request_uri alone', () => {
    const names = [...answer.url.searchParams.keys()].sort().join();
    if (names !== 'client_id,request_uri') throw new Error(names);
  });
  await redeem(config, answer);
  await redeem(config, await signIn(config, {}, async (c, parameters) => {
    const { searchParams } = await client.buildAuthorizationUrlWithJAR(c, parameters, key);
    return client.buildAuthorizationUrlWithPAR(c, searchParams);
  }));
}

async function registerSigner(alg, metadata, authenticate = () => client.None()) {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const jwk = { ...await exportJWK(publicKey), kid: alg, alg, use: 'sig' };
  const key = { key: privateKey, kid: alg };
  const wanted = { jwks: { keys: [jwk] }, token_endpoint_auth_method: 'none', ...metadata };
  return { config: await register(wanted, authenticate(key)), key };
}

// A resource that nobody gave this client but that is open, named with the slash that libraries add; a refresh that names none.
async function resource() {
  const grants = ['authorization_code', 'refresh_token'];
  const config = await register({ token_endpoint_auth_method: 'none', grant_types: grants }, client.None());
  const params = { resource: `${env.RESOURCE}/`, scope: 'openid offline_access notes.read nowhere' };
  const { callback, checks } = await signIn(config, params, client.buildAuthorizationUrl);
  const first = await promise('the code becomes a token for the resource', () =>
    client.authorizationCodeGrant(config, callback, { ...checks, idTokenExpected: true }, { resource: env.RESOURCE }));
  const next = await promise('a refresh that names none goes on with it', () => client.refreshTokenGrant(config, first.refresh_token));
  for (const tokens of [first, next]) {
    await promise('the token is for the resource, with its scope', () => {
      const said = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url'));
      const scope = 'openid offline_access notes.read';
      if (said.aud !== env.RESOURCE || said.scope !== scope || tokens.scope !== scope) throw new Error(JSON.stringify(said));
    });
  }
}

// Single claims, without the scopes that they belong to.
async function claims() {
  const config = await register({ scope: 'openid profile email' });
  const asked = { id_token: { email: { essential: true } }, userinfo: { name: null, shoe_size: null } };
  const answer = await signIn(config, { scope: 'openid', claims: JSON.stringify(asked) }, client.buildAuthorizationUrl);
  const tokens = await redeem(config, answer);
  await promise('each claim is where it was asked for, and no other', async () => {
    const said = tokens.claims();
    const told = await client.fetchUserInfo(config, tokens.access_token, said.sub);
    if (said.email !== env.USERNAME || said.name || !told.name || told.email || told.shoe_size) throw new Error(JSON.stringify([said, told]));
  });
  const onlyWho = { id_token: { sub: { value: 'somebody else' } } };
  await promise('nobody but the person who was meant is let on', async () => {
    const { callback } = await signIn(config, { claims: JSON.stringify(onlyWho), prompt: 'none' }, client.buildAuthorizationUrl);
    if (callback.searchParams.get('error') !== 'login_required') throw new Error(callback.href);
  });
}

// The library verifies what userinfo and the ID token say by the published keys.
async function signedUserinfo() {
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    const config = await register({ userinfo_signed_response_alg: alg, id_token_signed_response_alg: alg });
    client.enableNonRepudiationChecks(config);
    const tokens = await redeem(config, await signIn(config, {}, client.buildAuthorizationUrl));
    await promise(`userinfo is signed with ${alg}`, async () => {
      const told = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
      if (told.email !== env.USERNAME || told.aud !== config.clientMetadata().client_id) throw new Error(JSON.stringify(told));
    });
  }
}

// A key of Ed25519 signs as the library has it by itself: under its own name (RFC 9864), in assertions, request objects and proofs.
async function ed25519() {
  const { config, key } = await registerSigner('Ed25519', {
    token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'Ed25519', grant_types: ['authorization_code', 'refresh_token'],
  }, client.PrivateKeyJwt);
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('Ed25519'));
  const { callback, checks } = await signIn(config, {}, (...args) => client.buildAuthorizationUrlWithJAR(...args, key));
  await promise('Ed25519 signs assertions, request objects and proofs', async () => {
    const tokens = await client.authorizationCodeGrant(config, callback, { ...checks, idTokenExpected: true }, undefined, { DPoP });
    const next = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    const { sub } = await client.fetchUserInfo(config, next.access_token, tokens.claims().sub, { DPoP });
    if (next.token_type !== 'dpop' || !sub) throw new Error(JSON.stringify(next));
  });
}

function register(metadata, authentication) {
  const wanted = { client_name: 'openid-client', redirect_uris: [redirectUri], ...metadata };
  const options = { execute, initialAccessToken: env.INITIAL_ACCESS_TOKEN };
  return promise('registration takes what the client is', () =>
    client.dynamicClientRegistration(issuer, wanted, authentication, options));
}

// signIn has build make an address of the parameters, and the person go there.
async function signIn(config, parameters, build) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), expectedNonce: client.randomNonce(),
  };
  const url = await promise('the request is made', async () => build(config, {
    redirect_uri: redirectUri, scope: 'openid email', state: checks.expectedState, nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier), code_challenge_method: 'S256', ...parameters,
  }));
  const callback = await promise('the person signs in, and the answer comes back', () => person.authorize(url, redirectUri));
  return { url, callback, checks };
}

function redeem(config, { callback, checks }) {
  return promise('the code becomes tokens, and the ID token is right', async () => {
    const tokens = await client.authorizationCodeGrant(config, callback, { ...checks, idTokenExpected: true });
    if (!tokens.claims().sub) throw new Error('nobody signed in');
    return tokens;
  });
}
