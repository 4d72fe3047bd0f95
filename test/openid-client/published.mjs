// Drives a running server with openid-client as apps do that nobody registers: each publishes what it is at an address on this
// machine, and that address is its client_id. Environment and output are those of flow.mjs.
import { createServer } from 'node:http';
import * as client from 'openid-client';
import { Person } from './person.mjs';
import { failed, passed, promise } from './promises.mjs';

const env = process.env;
const issuer = new URL(env.ISSUER);
const execute = [client.allowInsecureRequests];
const redirectUri = 'https://agent.example/callback'; // nobody goes there: the person stops at the redirect
const person = new Person(issuer, { username: env.USERNAME, password: env.PASSWORD });
const documents = new Map();
let asked = 0;

const site = createServer((request, response) => {
  asked++;
  const document = documents.get(request.url);
  response.writeHead(document ? 200 : 404, { 'Content-Type': 'application/json', 'Cache-Control': 'max-age=600' });
  response.end(JSON.stringify(document ?? {}));
});
await new Promise((listening) => site.listen(0, '127.0.0.1', listening));
const home = `http://127.0.0.1:${site.address().port}`;

const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
const publicKey = { ...await crypto.subtle.exportKey('jwk', pair.publicKey), kid: 'k1', use: 'sig' };
const signs = () => client.PrivateKeyJwt({ key: pair.privateKey, kid: 'k1' });
documents.set('/keys', { keys: [publicKey] });

await walk('a public app', '/app', { token_endpoint_auth_method: 'none' }, client.None());
await walk('an app whose keys are in its document', '/keyed', {
  token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [publicKey] },
}, signs());
await walk('an app that names its choices, and where its keys are', '/choices', {
  token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'], jwks_uri: `${home}/keys`,
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
}, signs());
site.close();
console.log(`${passed()} passed, ${failed()} failed`);
process.exitCode = failed() === 0 ? 0 : 1;

async function walk(who, path, says, authentication) {
  console.log(`# ${who}`);
  const id = home + path;
  documents.set(path, { client_id: id, client_name: 'openid-client', redirect_uris: [redirectUri], ...says });
  try {
    const config = await promise('discovery says that documents are taken', async () => {
      const found = await client.discovery(issuer, id, undefined, authentication, { execute });
      const server = found.serverMetadata();
      if (!server.client_id_metadata_document_supported) throw new Error('client_id_metadata_document_supported is missing');
      if (!server.token_endpoint_auth_methods_supported.includes('none')) throw new Error('none is missing');
      return found;
    });
    const tokens = await promise('the person signs in to an app that nobody registered', () => signIn(config));
    const before = asked;
    await promise('its refreshes read no document', async () => {
      const first = await client.refreshTokenGrant(config, tokens.refresh_token);
      await client.refreshTokenGrant(config, first.refresh_token);
      if (asked !== before) throw new Error(`${asked - before} requests`);
    });
  } catch (error) {
    if (!error.counted) throw error;
  }
}

async function signIn(config) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope: 'openid email offline_access', state: checks.expectedState, nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier), code_challenge_method: 'S256',
  });
  return client.authorizationCodeGrant(config, await person.authorize(url, redirectUri), checks);
}
