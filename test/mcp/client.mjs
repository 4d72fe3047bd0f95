// An agent on MCP's own TypeScript SDK. It takes a line at a time and says one for each, as examples/mcp/client does:
//
//   list, add TEXT   a tool; says "done: …" or "error: …"
//   revoke           gives its access token back (RFC 7009), which is worth nothing from then on: as if it had run out
//
// "open URL" asks the person to sign in.
//
//   URL=http://localhost:8092/mcp [CLIENT_ID=https://…] node client.mjs
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { auth, extractWWWAuthenticateParams, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const say = (text) => process.stdout.write(`${text}\n`);
const url = new URL(process.env.URL);

// Browser is where the person comes back to (RFC 8252 §7.3).
class Browser {
  #arrived;
  #server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, this.redirect);
    if (pathname !== '/callback') return response.writeHead(404).end();
    response.end('You can close this page.\n');
    this.#arrived(searchParams);
  });

  async open() {
    await new Promise((ready) => this.#server.listen(0, '127.0.0.1', ready));
    this.redirect = `http://127.0.0.1:${this.#server.address().port}/callback`;
    return this;
  }

  send(to) {
    this.answer = new Promise((arrived) => (this.#arrived = arrived));
    say(`open ${to}`);
  }

  close() {
    this.#server.close();
  }
}

// Provider keeps in memory what the SDK asks it to keep.
class Provider {
  #browser;
  #kept = {};

  constructor(browser) {
    this.#browser = browser;
    if (process.env.CLIENT_ID) this.clientMetadataUrl = process.env.CLIENT_ID;
  }

  get redirectUrl() {
    return this.#browser.redirect;
  }

  get clientMetadata() {
    return {
      client_name: 'Notes in Node',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  clientInformation = () => this.#kept.client;
  saveClientInformation = (client) => void (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  codeVerifier = () => this.#kept.verifier;
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier);
  discoveryState = () => this.#kept.discovery;
  saveDiscoveryState = (found) => void (this.#kept.discovery = found);
  redirectToAuthorization = (to) => this.#browser.send(to);

  saveTokens = (tokens) => void (this.#kept.tokens = tokens);

  invalidateCredentials(what) {
    if (what === 'all') this.#kept = {};
    else delete this.#kept[what];
  }

  async revoke() {
    const body = new URLSearchParams({ client_id: this.#kept.client.client_id, token: this.#kept.tokens.access_token });
    const { status } = await fetch(this.#kept.discovery.authorizationServerMetadata.revocation_endpoint, { method: 'POST', body });
    return `done: ${status}`;
  }
}

const browser = await new Browser().open();
const provider = new Provider(browser);
const client = new Client({ name: 'sojourn-test', version: '1.0.0' });
let transport;
let missing; // the scopes that the last 403 named

// signedIn does something, and once more after the person signed in for it.
async function signedIn(something) {
  try {
    return await something();
  } catch (error) {
    if (error.code === 403 && provider.tokens()) {
      // The SDK spends its one try on the refresh token, which never gives more than was agreed to: ask the person.
      provider.invalidateCredentials('tokens');
      await auth(provider, { serverUrl: url, scope: missing });
    } else if (!(error instanceof UnauthorizedError)) {
      throw error;
    }
    const answer = await browser.answer;
    if (!answer.has('code')) throw new Error(`the person was sent back with ${answer}`);
    await transport.finishAuth(answer.get('code'));
    return await something();
  }
}

async function listening(to, init) {
  const response = await fetch(to, init);
  if (response.status === 403) missing = extractWWWAuthenticateParams(response).scope;
  return response;
}

function connect() {
  transport = new StreamableHTTPClientTransport(url, { authProvider: provider, fetch: listening });
  return client.connect(transport);
}

async function call(line) {
  if (line === 'revoke') return provider.revoke();
  const text = /^add (.+)$/.exec(line)?.[1];
  const tool = text === undefined ? { name: 'list_notes', arguments: {} } : { name: 'add_note', arguments: { text } };
  const { isError, content, structuredContent } = await signedIn(() => client.callTool(tool));
  if (isError) throw new Error(JSON.stringify(content));
  return `done: ${JSON.stringify(structuredContent)}`;
}

await signedIn(connect);
say('connected');
for await (const line of createInterface({ input: process.stdin })) {
  say(await call(line).catch((error) => `error: ${error.message}`));
}
await client.close();
browser.close();
