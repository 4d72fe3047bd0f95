// Drives a running server with openid-client, as an app written by someone else would.
//
//   ISSUER REDIRECT_URI USERNAME PASSWORD   required
//   TOTP_SECRET                             base32, when the user has a second factor
//   CLIENT_ID CLIENT_SECRET                 a client that exists (with offline_access); without a secret it is public
//   POST_LOGOUT_REDIRECT_URI                where its sign-outs lead back to; without one, it does not sign out
//   INITIAL_ACCESS_TOKEN                    when registration is not open
//   SOJOURN_TEST_RECORD                     a file that gets one line about this run
//
// Prints one line per promise kept and ends with "N passed, N failed".
import { appendFileSync, readFileSync } from 'node:fs';
import * as client from 'openid-client';
import { Person } from './person.mjs';
import { Authenticator } from './totp.mjs';
import { failed, passed, promise } from './promises.mjs';

const scope = 'openid profile email offline_access';
const env = settings();
const issuer = new URL(env.ISSUER);
const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(issuer.hostname);
const execute = issuer.protocol === 'http:' && loopback ? [client.allowInsecureRequests] : [];
const person = new Person(issuer, {
  username: env.USERNAME,
  password: env.PASSWORD,
  authenticator: env.TOTP_SECRET && new Authenticator(env.TOTP_SECRET),
});

if (env.CLIENT_ID) await walk('a client that the operator added', operatorsClient);
await walk('a public app that registered itself', registeredApp);
await walk('a web client that registered itself', registeredWebClient);
finish();

function settings() {
  const missing = ['ISSUER', 'REDIRECT_URI', 'USERNAME', 'PASSWORD'].filter((name) => !process.env[name]);
  if (missing.length > 0) throw new Error(`set ${missing.join(', ')}`);
  return process.env;
}

async function operatorsClient() {
  const authentication = env.CLIENT_SECRET ? client.ClientSecretBasic(env.CLIENT_SECRET) : client.None();
  const config = await promise('discovery describes the issuer it was asked for', () =>
    client.discovery(issuer, env.CLIENT_ID, undefined, authentication, { execute }));
  return {
    config, redirectUri: env.REDIRECT_URI, confidential: Boolean(env.CLIENT_SECRET),
    back: env.POST_LOGOUT_REDIRECT_URI, asks: Number(env.SIGN_OUT_ASKS),
  };
}

async function registeredApp() {
  const redirectUri = env.REDIRECT_URI;
  const metadata = { application_type: 'native', token_endpoint_auth_method: 'none' };
  return { config: await register(redirectUri, metadata, client.None()), redirectUri, confidential: false };
}

// ES256 rather than the default RS256, so that both are verified by someone else's code.
async function registeredWebClient() {
  const redirectUri = 'https://app.example/callback'; // nobody goes there: the person stops at the redirect
  const back = 'https://app.example/signed-out';
  const metadata = {
    token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'ES256', post_logout_redirect_uris: [back],
  };
  return { config: await register(redirectUri, metadata), redirectUri, confidential: true, back, asks: 1 };
}

function register(redirectUri, metadata, authentication) {
  const wanted = {
    client_name: 'openid-client',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    ...metadata,
  };
  const options = { execute, initialAccessToken: env.INITIAL_ACCESS_TOKEN };
  return promise('registration answers with a client id and what was asked for', async () => {
    const config = await client.dynamicClientRegistration(issuer, { ...wanted, scope }, authentication, options);
    const answer = config.clientMetadata();
    for (const [name, value] of Object.entries(wanted)) same(answer[name], value, name);
    same(answer.scope.split(' ').sort(), scope.split(' ').sort(), 'scope'); // a set, RFC 6749 §3.3
    return config;
  });
}

// walk is the whole life of one sign-in. What follows a broken promise cannot be tried, so it ends there.
async function walk(who, prepare) {
  console.log(`# ${who}`);
  try {
    const { config, redirectUri, confidential, back, asks } = await prepare();
    const tokens = await signIn(config, redirectUri);
    const { sub } = tokens.claims();
    await readUserInfo(config, tokens.access_token, sub);
    const first = await refresh(config, tokens.refresh_token);
    const second = await refresh(config, first.refresh_token);
    await readUserInfo(config, second.access_token, sub);
    if (confidential) await introspect(config, second.access_token, { active: true, sub });
    await revoke(config, second.refresh_token);
    await expectSignedOut(config, second, confidential);
    if (back) await signOut(config, { redirectUri, back, asks, idToken: tokens.id_token });
  } catch (error) {
    if (!error.counted) throw error;
  }
}

async function signIn(config, redirectUri) {
  const verifier = client.randomPKCECodeVerifier();
  const checks = {
    pkceCodeVerifier: verifier,
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    maxAge: 3600,
    idTokenExpected: true,
  };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    max_age: String(checks.maxAge),
  });
  const callback = await promise('the person signs in, consents, and the browser comes back to the app', () =>
    person.authorize(url, redirectUri));
  return promise('the code becomes tokens; state, iss, nonce, auth_time and the signature are right', async () => {
    const tokens = await client.authorizationCodeGrant(config, callback, checks);
    if (!tokens.refresh_token) throw new Error('no refresh token');
    return tokens;
  });
}

function readUserInfo(config, accessToken, sub) {
  return promise('userinfo tells the same sub and the e-mail address', async () => {
    const claims = await client.fetchUserInfo(config, accessToken, sub);
    same(claims.email, env.USERNAME.trim().toLowerCase(), 'email');
  });
}

function refresh(config, token) {
  return promise('a refresh gives a new access token and rotates the refresh token', async () => {
    const tokens = await client.refreshTokenGrant(config, token);
    if (!tokens.refresh_token || tokens.refresh_token === token) throw new Error('the refresh token did not rotate');
    return tokens;
  });
}

function introspect(config, token, expected) {
  return promise(`introspection says active: ${expected.active}`, async () => {
    const answer = await client.tokenIntrospection(config, token);
    for (const [name, value] of Object.entries(expected)) same(answer[name], value, name);
  });
}

function revoke(config, token) {
  return promise('revocation is answered', () => client.tokenRevocation(config, token));
}

async function expectSignedOut(config, tokens, confidential) {
  await promise('a refresh after the revocation is refused with invalid_grant', async () => {
    const error = await refusal(client.refreshTokenGrant(config, tokens.refresh_token));
    same(error.error, 'invalid_grant', 'error');
  });
  await promise('userinfo refuses the access token of the ended session with 401', async () => {
    const error = await refusal(client.fetchUserInfo(config, tokens.access_token, client.skipSubjectCheck));
    same(error.status, 401, 'status');
  });
  if (confidential) await introspect(config, tokens.access_token, { active: false });
}

// An app that the operator trusts and that shows its ID token signs out at once; any other lets the person decide.
async function signOut(config, { redirectUri, back, asks, idToken }) {
  const state = client.randomState();
  const url = client.buildEndSessionUrl(config, { id_token_hint: idToken, post_logout_redirect_uri: back, state });
  await promise(`the end-session address leads back, having asked ${asks} times`, async () => {
    const { to, asked } = await person.signOut(url, back);
    same(to.searchParams.get('state'), state, 'state');
    same(asked, asks, 'the number of questions');
  });
  await promise('prompt=none finds nobody afterwards', async () => {
    const verifier = client.randomPKCECodeVerifier();
    const silent = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri, scope, prompt: 'none', state,
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    });
    const answer = await person.authorize(silent, redirectUri);
    same(answer.searchParams.get('error'), 'login_required', 'error');
  });
}

async function refusal(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}

function same(got, want, what) {
  if (JSON.stringify(got) !== JSON.stringify(want)) {
    throw new Error(`${what} is ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }
}

function finish() {
  const result = `${passed()} passed, ${failed()} failed`;
  if (env.SOJOURN_TEST_RECORD) appendFileSync(env.SOJOURN_TEST_RECORD, `openid-client ${version()}, ${result}\n`);
  console.log(result);
  process.exitCode = failed() === 0 ? 0 : 1;
}

function version() {
  return JSON.parse(readFileSync(new URL('node_modules/openid-client/package.json', import.meta.url))).version;
}
