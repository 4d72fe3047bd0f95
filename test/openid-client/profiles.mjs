// Drives a running server with openid-client as clients do that use more of OpenID Connect than most. Environment and output are
// those of flow.mjs; each client registers itself.
import * as client from 'openid-client';
import { Person } from './person.mjs';
import { failed, passed, promise } from './promises.mjs';

const env = process.env;
const issuer = new URL(env.ISSUER);
const execute = issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [];
const redirectUri = 'https://app.example/callback'; // nobody goes there: the person stops at the redirect
const person = new Person(issuer, { username: env.USERNAME, password: env.PASSWORD });

for (const walk of [formPost]) {
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
