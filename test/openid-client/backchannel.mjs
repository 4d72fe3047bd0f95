// Verifies a back-channel logout token with jose, as a relying party written by someone else would, and prints the session
// that is over (OpenID Connect Back-Channel Logout 1.0 §2.6).
//
//   ISSUER CLIENT_ID LOGOUT_TOKEN   required
import { createRemoteJWKSet, jwtVerify } from 'jose';

const event = 'http://schemas.openid.net/event/backchannel-logout';
const { ISSUER: issuer, CLIENT_ID: audience, LOGOUT_TOKEN: token } = process.env;
const discovery = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
if (!discovery.backchannel_logout_supported || !discovery.backchannel_logout_session_supported) {
  throw new Error('discovery does not tell of back-channel logout');
}
const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(discovery.jwks_uri)), {
  issuer,
  audience,
  typ: 'logout+jwt',
  algorithms: discovery.id_token_signing_alg_values_supported,
  requiredClaims: ['iat', 'exp', 'jti', 'sub', 'sid', 'events'],
  maxTokenAge: '2 minutes',
});
if (JSON.stringify(payload.events) !== JSON.stringify({ [event]: {} })) throw new Error('the token tells of something else');
if ('nonce' in payload) throw new Error('a logout token has no nonce');
console.log(payload.sid);
