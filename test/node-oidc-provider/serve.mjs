// A provider that knows nothing of Sojourn: node serve.mjs ISSUER PORT. It serves ISSUER, behind a proxy that speaks TLS, on a
// port of 127.0.0.1, and takes whoever signs in at its development pages for who they say they are.
import { Provider } from 'oidc-provider'

const [issuer, port] = process.argv.slice(2)
const apps = Array.from({ length: 1000 }, (_, n) => ({
  client_id: `contract-${n + 1}`, application_type: 'native', token_endpoint_auth_method: 'none',
  redirect_uris: ['com.example.contract:/callback'], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
}))
const provider = new Provider(issuer, {
  clients: apps,
  cookies: { keys: ['contract'] },
  claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
  features: { dPoP: { enabled: true }, devInteractions: { enabled: true }, revocation: { enabled: true } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: 'Ada Lovelace', email: id }) }),
  // Refresh tokens for a scope alone, as most servers give them.
  issueRefreshToken: (_, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  ttl: { AccessToken: 600, Grant: 86400, IdToken: 600, RefreshToken: 86400, Session: 86400, Interaction: 3600 },
})
provider.proxy = true
provider.on('server_error', (_, error) => console.error(error))
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'))
