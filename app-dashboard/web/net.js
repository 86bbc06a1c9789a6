// The session, requests, and the event stream of a page.

const KEPT = 'session';
let session = sessionStorage.getItem(KEPT);
let ended = () => {};

/** Calls `then` when there is no session any more. */
export const onEnd = (then) => { ended = then; };

function end(why) {
  session = null;
  sessionStorage.removeItem(KEPT);
  ended(why);
}

const tokenOf = (hash) => /^#token=([0-9a-zA-Z]+)$/.exec(hash)?.[1];

/** Whether the URL has a token. */
export const hasToken = () => tokenOf(location.hash) !== undefined;

/** Exchanges the token of the URL, if there is one, for a session. Returns why there is none. */
export async function begin() {
  const token = tokenOf(location.hash);
  if (token) {
    // The token is in no history and in no bookmark.
    history.replaceState(null, '', '/#/');
    const answer = await fetch('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    }).catch(() => null);
    const body = answer && (await answer.json().catch(() => null));
    if (answer?.ok) {
      session = String(body.session);
      sessionStorage.setItem(KEPT, session);
    } else if (!session) {
      const why = body?.error?.split(';')[0];
      return why ? `${why[0].toUpperCase()}${why.slice(1)}.` : 'The server did not answer.';
    }
  }
  return session ? null : 'This page has no session.';
}

const headers = () => ({ authorization: `Bearer ${session}` });

/** Asks the server. The result has `ok`, and the answer or `{error, kind}` as `body`. */
export async function ask(path, body) {
  try {
    const answer = await fetch(`/api/${path}`, body === undefined
      ? { headers: headers() }
      : { method: 'POST', headers: { ...headers(), 'content-type': 'application/json' }, body: JSON.stringify(body) });
    if (answer.status === 401) end('The session has ended.');
    const read = await answer.json();
    return { ok: answer.ok, body: answer.ok ? read : { kind: 'refused', ...read } };
  } catch {
    return { ok: false, body: { kind: 'unknown', error: 'appctl dashboard does not answer; is it still running?' } };
  }
}

/**
 * Returns a function that calls an operation. A repeated call has the request id of the one before until an answer is known, so
 * that the app does not act twice.
 */
export function caller(app) {
  let last = {};
  return async (call) => {
    const what = JSON.stringify([call.service, call.name, call.arguments]);
    if (last.what !== what) last = { what, id: crypto.randomUUID?.() ?? '' };
    const answer = await ask(appPath(app, 'call'), { ...call, request_id: last.id });
    if (answer.ok || answer.body.kind !== 'unknown') last = {};
    return answer;
  };
}

export const appPath = (key, rest) => `apps/${encodeURIComponent(key)}/${rest}`;

/**
 * Reads the event stream of a page until the result is called. `on(name, data)` gets each event, `state(text)` is "live" or
 * says what is wrong. While the page is hidden there is no stream, so that no app is asked for nothing.
 */
export function stream(query, on, state) {
  let stopped = false;
  let abort = null;
  let wake = null;
  let pause = 300;

  async function read() {
    abort = new AbortController();
    const answer = await fetch(`/api/stream?${query}`, { headers: headers(), signal: abort.signal });
    if (answer.status === 401) {
      stopped = true;
      return end('The session has ended.');
    }
    if (!answer.ok) throw new Error((await answer.json()).error);
    state('live');
    pause = 300;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split('\n\n');
      rest = parts.pop();
      for (const part of parts) {
        // The data is JSON, which may have U+2028 as it is. `.` does not match that.
        const event = /^event: (.*)\ndata: ([^]*)$/.exec(part);
        if (event && !stopped) on(event[1], JSON.parse(event[2]));
      }
    }
  }

  const waits = (time) => new Promise((done) => { wake = done; if (time) setTimeout(done, time); });
  const visibility = () => {
    if (document.hidden) abort?.abort();
    else wake?.();
  };
  document.addEventListener('visibilitychange', visibility);
  (async () => {
    while (!stopped) {
      if (document.hidden) {
        state('paused');
        await waits();
        continue;
      }
      let why = 'The stream has ended.';
      try { await read(); } catch (error) { why = String(error.message ?? error); }
      if (stopped || document.hidden) continue;
      state(why.includes('fetch') ? 'appctl dashboard does not answer; is it still running?' : why);
      await waits(pause);
      pause = Math.min(pause * 2, 5000);
    }
  })();
  return () => {
    stopped = true;
    document.removeEventListener('visibilitychange', visibility);
    abort?.abort();
    wake?.();
  };
}
