// An app, as its developer sees it.
import { call } from './call.js';
import { context, left, serverTime, spoken, type Happenings } from './context.js';
import type { Ended } from './ended.js';
import { AppError, isKind } from './errors.js';
import { hear } from './events.js';
import { given } from './http.js';
import type { Options } from './ports.js';
import type { Identity } from './record.js';
import { usable } from './refresh.js';
import { begin, parametersOf, redirected, resume, waiting, type Asked } from './signin.js';
import { flush, signOut, type HowToSignOut } from './signout.js';
import { userInfo } from './userinfo.js';

/** What is true here, without asking the server. */
export interface State {
  readonly status: 'signed_in' | 'signed_out' | 'pending' | 'ended';
  /** Who was confirmed last; after an ending too, to say whom to sign in. */
  readonly identity?: Identity;
  /** Why the session is over, where it is. */
  readonly ended?: Ended;
  /** Seconds until the session ends whatever the app does. */
  readonly endsIn?: number;
  /** It ends within a day: offer to sign in at a good moment. */
  readonly signInSoon: boolean;
  /** Sign-outs that the server has not heard yet. */
  readonly unheard: number;
}

export interface Token {
  readonly accessToken: string;
  readonly type: string;
  /** Seconds. */
  readonly expiresIn: number;
}

export interface App {
  /** What is true here. It asks the server nothing. */
  state(): Promise<State>;
  /** Opens the browser and resolves once the person is signed in. Another sign-in cancels this one, not its redirect. */
  signIn(asked?: Asked): Promise<Identity>;
  /** The first half of signIn, for apps that open the browser themselves: the address to open. */
  begin(asked?: Asked): Promise<string>;
  /** The second half: the whole address that came back. Also after a restart, and twice. */
  finish(redirect: string): Promise<Identity>;
  /** An access token that lives. `fresh`: a new one, though the old one still lives. */
  token(how?: { readonly fresh?: boolean }): Promise<Token>;
  /** `fetch` with the access token, for the addresses in `apis`; one refresh and one more try at 401. */
  fetch(url: string | URL, init?: RequestInit): Promise<Response>;
  /** What the server says of the person now (userinfo). It is kept as the identity. */
  userInfo(): Promise<Identity>;
  /** Forgets who is signed in, at once. `heard`: the server knows; if not, it is told as soon as it can be. */
  signOut(how?: HowToSignOut): Promise<{ heard: boolean }>;
  /** Call it while the app is in front: an ending is heard within a second. Returns what stops it. */
  listen(): () => void;
  /** Calls back when something happens. Returns what stops that. */
  on<K extends keyof Happenings>(name: K, listener: Happenings[K]): () => void;
}

/** createApp makes an app out of its options. Nothing is read or sent yet. */
export function createApp(options: Options): App {
  const ctx = context(options);
  options.store.watch?.(() => void ctx.records.load().catch(() => undefined));
  let open: AbortController | undefined;

  const usual = async (spent?: string) => {
    try {
      return await halfway(spent);
    } finally {
      flush(ctx);
    }
  };

  /** A code that came just before the process was killed is a sign-in that is nearly done. */
  const halfway = async (spent?: string) => {
    try {
      return await usable(ctx, spent);
    } catch (error) {
      const half = isKind(error, 'signed_out') ? waiting(ctx, ctx.memory.record!).find((p) => p.code) : undefined;
      if (!half) throw error;
      await resume(ctx, half.state);
      return usable(ctx, spent);
    }
  };

  return {
    state: async () => {
      const record = await ctx.records.load();
      const { session, identity, ended, signOuts } = record;
      flush(ctx);
      const endsIn = identity?.endsAt === undefined ? undefined : Math.max(0, Math.floor((identity.endsAt - serverTime(ctx)) / 1000));
      const others = waiting(ctx, record).length > 0 ? 'pending' : ended ? 'ended' : 'signed_out';
      return {
        status: session ? 'signed_in' : others,
        ...given({ identity, ended: ended && !session ? spoken(ctx, ended) : undefined, endsIn }),
        signInSoon: session !== undefined && endsIn !== undefined && endsIn < 86_400, // a day
        unheard: signOuts?.length ?? 0,
      };
    },
    begin: (asked) => begin(ctx, asked),
    finish: (redirect) => redirected(ctx, redirect),
    signIn: async (asked) => {
      const { browser } = options;
      if (!browser) throw new AppError('stop', 'There is no `browser`: use begin and finish.');
      open?.abort();
      const mine = (open = new AbortController());
      const redirectUri = (await browser.ready?.(options.redirectUri)) ?? options.redirectUri;
      const url = await begin(ctx, asked, redirectUri);
      const opened = await Promise.race([browser.open(url, redirectUri, mine.signal), superseded(mine.signal)]);
      if (opened.type === 'redirect') return redirected(ctx, opened.url);
      if (opened.type === 'away') return new Promise<never>(() => undefined);
      // The redirect may have come another way meanwhile: as a deep link.
      const { state } = parametersOf(url);
      const { session, identity } = await ctx.records.load();
      if (identity && session?.id === state) return identity;
      throw new AppError('cancelled', 'The browser was closed.');
    },
    token: async ({ fresh = false } = {}) => {
      const record = fresh ? await ctx.records.load() : undefined;
      const session = await usual(record?.session?.access);
      return { accessToken: session.access, type: session.type, expiresIn: Math.floor(left(ctx, session) / 1000) };
    },
    fetch: async (url, init) => {
      const response = await call(ctx, String(url), init);
      flush(ctx);
      return response;
    },
    userInfo: () => userInfo(ctx),
    signOut: (how) => signOut(ctx, how),
    listen: () => {
      const stop = new AbortController();
      let running = false;
      const run = async (): Promise<void> => {
        if (running || stop.signal.aborted) return;
        running = true;
        await hear(ctx, stop.signal).catch(() => undefined);
        running = false;
      };
      flush(ctx);
      void run();
      const off = ctx.listen('changed', () => void (ctx.memory.record?.session && run()));
      return () => (off(), stop.abort());
    },
    on: (name, listener) => ctx.listen(name, listener),
  };
}

const superseded = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new AppError('cancelled', 'Another sign-in was begun.')), { once: true });
  });
