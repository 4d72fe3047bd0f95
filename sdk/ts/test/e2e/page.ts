// The page of the Chromium test: an app with a clock that the test can set, and nothing hidden from it.
import { browserPorts, createApp, finishHere, systemClock, type App, type Clock } from '../../src/browser/index.js';

declare global {
  interface Window {
    app: App;
    came: Promise<string | undefined>;
    shift: number;
    said: string[];
  }
}

window.shift = 0;
window.said = [];
const clock: Clock = { ...systemClock, wall: () => Date.now() + window.shift, elapsed: () => performance.now() + window.shift };
const issuer = new URL(document.currentScript instanceof HTMLScriptElement ? document.currentScript.src : location.href).searchParams.get('issuer')!;
window.app = createApp({
  issuer, clientId: 'page', redirectUri: `${location.origin}/`, language: 'fr', clock, ...browserPorts(),
});
window.app.on('ended', ({ reason, message }) => window.said.push(reason, message));
window.app.on('changed', () => window.said.push('changed'));
window.app.on('heard', (name) => window.said.push(name));
window.came = finishHere(window.app).then((who) => who?.sub);
