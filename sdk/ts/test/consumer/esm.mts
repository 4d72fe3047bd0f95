import { createApp, isKind, type App, type Store } from '@sojourn-auth/app';
import { browserPorts } from '@sojourn-auth/app/browser';
import { languages } from '@sojourn-auth/app/languages';
import { nodePorts } from '@sojourn-auth/app/node';
import { expoBrowser, nativePorts, secureStore, type RandomModule, type SecureStoreModule, type WebBrowserModule } from '@sojourn-auth/app/react-native';

const options = { issuer: 'https://id.example.com', clientId: 'notes', redirectUri: 'http://127.0.0.1/callback', languages };
const app: App = createApp({ ...options, ...nodePorts('./kept') });
export const inBrowser = (): App => createApp({ ...options, ...browserPorts() });
export const onPhone = (store: SecureStoreModule, browser: WebBrowserModule, crypto: RandomModule): App =>
  createApp({ ...options, ...nativePorts(secureStore(store), expoBrowser(browser), crypto) });
export const own: Store = { load: async () => undefined, check: async () => undefined, save: async () => undefined };

try {
  await app.token();
} catch (error) {
  if (isKind(error, 'signed_out')) console.log(error.kind);
}
