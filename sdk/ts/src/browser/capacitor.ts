// Capacitor: the system's browser by @capacitor/browser, and the way back as a link that opens the app, by @capacitor/app.
import type { Browser, Opened } from '../index.js';

/** What is needed of `Browser` of @capacitor/browser. */
export interface CapacitorBrowser {
  open(options: { url: string }): Promise<void>;
  close(): Promise<void>;
  addListener(name: 'browserFinished', heard: () => void): Promise<Handle>;
}

/** What is needed of `App` of @capacitor/app. */
export interface CapacitorApp {
  addListener(name: 'appUrlOpen', heard: (opened: { url: string }) => void): Promise<Handle>;
  getLaunchUrl(): Promise<{ url: string } | undefined>;
}

interface Handle {
  remove(): Promise<void>;
}

/** The link may come a moment after the browser has closed. */
const moment = 1000;

/**
 * capacitorBrowser opens the system's browser. After a process that was killed, hand `(await App.getLaunchUrl())?.url` to
 * `finish` of the app.
 */
export function capacitorBrowser(browser: CapacitorBrowser, links: CapacitorApp): Browser {
  return {
    open: async (url, redirectUri, signal) => {
      const handles: Handle[] = [];
      try {
        const back = new Promise<Opened>((resolve, reject) => {
          const heard = (opened: Opened): void => resolve(opened);
          signal.addEventListener('abort', () => heard({ type: 'closed' }), { once: true });
          const link = links.addListener('appUrlOpen', ({ url }) => url.startsWith(redirectUri) && heard({ type: 'redirect', url }));
          const closed = browser.addListener('browserFinished', () => void setTimeout(() => heard({ type: 'closed' }), moment));
          Promise.all([link, closed]).then((all) => handles.push(...all)).then(() => browser.open({ url })).catch(reject);
        });
        const opened = await back;
        if (opened.type === 'redirect') await browser.close().catch(() => undefined); // Android has no close
        return opened;
      } finally {
        await Promise.all(handles.map((handle) => handle.remove()));
      }
    },
  };
}
