// Drives a running server with openid-client as apps do that know people by subjects of their own. Environment and output are those
// of flow.mjs; SECTOR is the address of a list with the redirect URIs of c and d.
import * as client from 'openid-client';
import { Person } from './person.mjs';
import { failed, passed, promise } from './promises.mjs';

const env = process.env;
const issuer = new URL(env.ISSUER);
const execute = [client.allowInsecureRequests];
const person = new Person(issuer, { username: env.USERNAME, password: env.PASSWORD });
const redirect = (host) => `https://${host}.example/callback`; // nobody goes there: the person stops at the redirect

const subjects = {};
for (const [host, metadata] of Object.entries({
  p: {},
  a: { subject_type: 'pairwise' },
  b: { subject_type: 'pairwise' },
  c: { subject_type: 'pairwise', sector_identifier_uri: env.SECTOR },
  d: { subject_type: 'pairwise', sector_identifier_uri: env.SECTOR },
})) {
  console.log(`# ${host}`);
  subjects[host] = await subjectOf(host, metadata);
}
await promise('each sector has a subject of its own, and the two hosts of one share theirs', () => {
  const { p, a, b, c, d } = subjects;
  if (new Set([p, a, b, c]).size !== 4 || c !== d) throw new Error(JSON.stringify(subjects));
});
await promise('a host that the list does not name is not of the sector', async () => {
  const answer = await register('e', { subject_type: 'pairwise', sector_identifier_uri: env.SECTOR }).then(() => null, (error) => error);
  if (answer?.error !== 'invalid_client_metadata') throw answer ?? new Error('it was registered');
});
console.log(`${passed()} passed, ${failed()} failed`);
process.exitCode = failed() === 0 ? 0 : 1;

// register is for clients that ask about their own tokens, for which they prove themselves.
function register(host, metadata) {
  const wanted = {
    client_name: host, redirect_uris: [redirect(host)], grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic', id_token_on_refresh: true, ...metadata,
  };
  return client.dynamicClientRegistration(issuer, wanted, (as, c, body, headers) =>
    client.ClientSecretBasic(c.client_secret)(as, c, body, headers), { execute });
}

// subjectOf is whom a client sees, asked in every way that it has.
async function subjectOf(host, metadata) {
  const config = await promise('registration takes what the client is', () => register(host, metadata));
  await promise('discovery offers it', () => {
    if (!config.serverMetadata().subject_types_supported.includes(metadata.subject_type ?? 'public')) throw new Error('it does not');
  });
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), expectedNonce: client.randomNonce(),
  };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirect(host), scope: 'openid email offline_access', state: checks.expectedState, nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier), code_challenge_method: 'S256',
  });
  const callback = await promise('the person signs in', () => person.authorize(url, redirect(host)));
  const first = await promise('the code becomes tokens', () =>
    client.authorizationCodeGrant(config, callback, { ...checks, idTokenExpected: true }));
  const { sub } = first.claims();
  const next = await promise('a refresh brings the next', () => client.refreshTokenGrant(config, first.refresh_token));
  for (const [name, tokens] of Object.entries({ first, next })) {
    await promise(`ID token, userinfo, introspection and access token name one person: ${name}`, async () => {
      const told = await client.fetchUserInfo(config, tokens.access_token, sub); // which refuses another sub
      const introspected = await client.tokenIntrospection(config, tokens.access_token);
      const said = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url'));
      const all = [told.sub, tokens.claims().sub, introspected.sub, said.sub];
      if (!introspected.active || all.some((one) => one !== sub)) throw new Error(JSON.stringify([sub, ...all]));
    });
  }
  return sub;
}
