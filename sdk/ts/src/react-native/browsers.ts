// The browser of a phone: ASWebAuthenticationSession on iOS, a Custom Tab or Auth Tab on Android, by the modules that apps have.
import { isKind, type App, type Browser, type Identity, type Opened } from '../index.js';

interface SessionResult {
  readonly type: string;
  readonly url?: string;
}

/** What is needed of expo-web-browser: `import * as WebBrowser from 'expo-web-browser'`. */
export interface WebBrowserModule {
  openAuthSessionAsync(url: string, redirectUri?: string | null): Promise<SessionResult>;
  dismissAuthSession(): void;
}

/** What is needed of react-native-inappbrowser-reborn: `import { InAppBrowser } from 'react-native-inappbrowser-reborn'`. */
export interface InAppBrowserModule {
  openAuth(url: string, redirectUri: string, options?: { showTitle?: boolean; enableUrlBarHiding?: boolean }): Promise<SessionResult>;
  closeAuth(): void;
}

/** expoBrowser opens the browser by expo-web-browser. */
export function expoBrowser(module: WebBrowserModule): Browser {
  return {
    open: (url, redirectUri, signal) => {
      signal.addEventListener('abort', () => module.dismissAuthSession(), { once: true });
      return module.openAuthSessionAsync(url, redirectUri).then(outcome);
    },
  };
}

/** inAppBrowser opens the browser by react-native-inappbrowser-reborn. */
export function inAppBrowser(module: InAppBrowserModule): Browser {
  return {
    open: (url, redirectUri, signal) => {
      signal.addEventListener('abort', () => module.closeAuth(), { once: true });
      return module.openAuth(url, redirectUri, { showTitle: true, enableUrlBarHiding: true }).then(outcome);
    },
  };
}

/** On Android a minimised tab counts as closed, and the link comes later: `followLinks` takes it. */
const outcome = ({ type, url }: SessionResult): Opened => (type === 'success' && url ? { type: 'redirect', url } : { type: 'closed' });

/** What is needed of React Native's `Linking`. */
export interface LinkingModule {
  getInitialURL(): Promise<string | null>;
  addEventListener(type: 'url', heard: (event: { url: string }) => void): { remove(): void };
}

export interface LinkListener {
  signedIn(identity: Identity): void;
  failed(error: unknown): void;
}

/**
 * followLinks finishes sign-ins whose way back opens the app: after the process was killed meanwhile, and when the browser was
 * minimised. Links that answer nothing are left to others. Returns what stops it.
 */
export function followLinks(app: App, linking: LinkingModule, { signedIn, failed }: LinkListener): () => void {
  const take = async (url: string | null): Promise<void> => {
    if (!url || !/[?&]state=/.test(url)) return;
    try {
      signedIn(await app.finish(url));
    } catch (error) {
      if (!isKind(error, 'not_mine')) failed(error);
    }
  };
  const subscription = linking.addEventListener('url', ({ url }) => void take(url));
  linking.getInitialURL().then(take, failed);
  return () => subscription.remove();
}
