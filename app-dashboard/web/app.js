// The shell: routes, the stream of the page, and what all pages show.

import { Component, render } from './vendor/preact.mjs';
import { begin, hasToken, onEnd, stream } from './net.js';
import { Chip, Empty, Loading, html, useEffect, useRef, useState, useTicks } from './ui.js';
import { since, text } from './format.js';
import { FleetPage, href } from './fleet.js';
import { ServicesPage } from './services.js';
import { HealthPage } from './health.js';
import { MetricsPage } from './metrics.js';
import { EventsPage, LogPage } from './log.js';
import { ConfigPage } from './config.js';
import { OperationsPage } from './operations.js';
import { MessagesPage } from './messages.js';

/** The pages of an app: name in the address, title, topics of its stream, component. */
const PAGES = [
  ['services', 'Services', 'services,events', ServicesPage],
  ['health', 'Health', 'checks', HealthPage],
  ['metrics', 'Metrics', 'metrics', MetricsPage],
  ['log', 'Log', 'logs', LogPage],
  ['events', 'Events', 'events', EventsPage],
  ['config', 'Config', 'config', ConfigPage],
  ['messages', 'Messages', 'checks', MessagesPage],
  ['operations', 'Operations', 'operations,levels,services', OperationsPage],
];
const MOST_ITEMS = 1000;

/** `#/`, `#/app/KEY/PAGE?filter`. */
function route() {
  const [path, query = ''] = location.hash.replace(/^#/, '').split('?');
  const [, kind, key, page] = path.split('/');
  if (kind !== 'app' || !key) return { page: null };
  let name = key;
  try { name = decodeURIComponent(key); } catch { /* it stays as it is */ }
  return { key: name, page: PAGES.find(([known]) => known === page) ?? PAGES[0], query: new URLSearchParams(query) };
}

/** What the stream of a page has brought. */
function useStream(query) {
  const [state, setState] = useState({ query, rows: {}, data: {}, items: {}, online: 'connecting', keys: null });
  useEffect(() => {
    // Rows stay, so that a page begins with what the one before knew.
    setState((old) => ({ query, rows: old.rows, keys: old.keys, data: {}, items: {}, online: old.online }));
    let waiting = null;
    let pending = [];
    const apply = () => {
      waiting = null;
      const events = pending;
      pending = [];
      setState((old) => events.reduce(step, { ...old, rows: { ...old.rows }, data: { ...old.data }, items: { ...old.items } }));
    };
    const later = (event) => {
      pending.push(event);
      waiting ??= setTimeout(apply, 30);
    };
    const stop = stream(query, (name, data) => later([name, data]), (online) => later(['online', online]));
    return () => { stop(); clearTimeout(waiting); };
  }, [query]);
  return state.query === query ? state : { ...state, data: {}, items: {} };
}

function step(state, [name, data]) {
  if (name === 'online') {
    // A stream that begins anew sends all items again.
    if (data === 'live') state.items = {};
    state.online = data;
  } else if (name === 'fleet') {
    state.problem = data.problem;
    if (state.query.startsWith('topics=')) state.keys = data.keys;
    else state.gone = !data.keys.length && !data.problem;
  } else if (name === 'summary') {
    state.rows[data.key] = data.data;
  } else if (name.endsWith('_items')) {
    const topic = name.slice(0, -6);
    state.items[topic] = [...(data.first ? [] : state.items[topic] ?? []), ...data.data].slice(-MOST_ITEMS);
  } else {
    state.data[name] = data.data;
  }
  return state;
}

function useTheme() {
  const [theme, setTheme] = useState(localStorage.getItem('theme') ?? 'auto');
  useEffect(() => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    localStorage.setItem('theme', theme);
  }, [theme]);
  return [theme, setTheme];
}

function Shell() {
  const [at, setAt] = useState(route);
  const drawn = useRef(location.hash);
  const [theme, setTheme] = useTheme();
  useEffect(() => {
    const moved = () => {
      setAt(route());
      document.getElementById('main')?.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener('hashchange', moved);
    // The address may have changed after the first render, before this listener.
    if (location.hash !== drawn.current) moved();
    return () => removeEventListener('hashchange', moved);
  }, []);
  const query = at.page ? `app=${encodeURIComponent(at.key)}&topics=summary,${at.page[2]}` : 'topics=summary';
  const state = useStream(query);
  const row = at.key && state.rows[at.key];
  const title = at.page ? `${text(row?.name) || at.key} · ${at.page[1]}` : 'Fleet';
  useEffect(() => { document.title = title; }, [title]);
  const next = { auto: 'light', light: 'dark', dark: 'auto' }[theme];
  return html`
    <a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById('main').focus(); }}>To the content</a>
    <header class="top"><nav aria-label="Place">
      <a class="brand" href="#/"><img src="/icon.svg" alt="" width="24" height="24" />Fleet</a>
      ${at.key && html`<span class="crumb" aria-hidden="true">/</span><a class="here" href=${href(at.key)}>${at.key}</a>`}</nav>
      <div class="top-right"><${Online} state=${state.online} />
      <button type="button" class="ghost" onClick=${() => setTheme(next)} title=${`Colours: ${theme}. Switch to ${next}.`}
        aria-label=${`Colours: ${theme}. Switch to ${next}.`}>${{ auto: '◐', light: '☀', dark: '☾' }[theme]}</button></div>
    </header>
    <main id="main" tabindex="-1">
      ${at.page
        ? html`<${AppFrame} key=${at.key} at=${at} row=${row} state=${state} />`
        : html`<${FleetPage} state=${state} />`}
    </main>`;
}

/** An answer that a page cannot show stops that page only. */
class Boundary extends Component {
  static getDerivedStateFromError(error) { return { error }; }

  render({ children }, { error }) {
    return error ? html`<${Empty} title="This page cannot show what the app answered">${text(error.message)}<//>` : children;
  }
}

function Online({ state }) {
  const [tone, label] = state === 'live' ? ['ok', 'Live'] : state === 'paused' ? ['idle', 'Paused'] : state === 'connecting'
    ? ['idle', 'Connecting'] : ['bad', 'Lost'];
  return html`<span class=${`online ${tone}`} role="status" title=${text(state)}><span class="dot" aria-hidden="true"></span>${label}</span>`;
}

function AppFrame({ at, row, state }) {
  useTicks();
  const [name, , , Page] = at.page;
  useEffect(() => document.querySelector('.tabs [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' }), [name]);
  const problem = state.gone ? 'The contexts no longer lead to this instance. What you see is what was known last.' : state.problem && `The contexts cannot be read: ${text(state.problem.error)}`;
  const lost = state.online !== 'live' && state.online !== 'connecting' && state.online !== 'paused';
  return html`
    <div class="app-head">
      <div><h1>${text(row?.name) || at.key}</h1>
        <p class="facts">${row?.version && html`<span>version ${row.version}</span>`}
          ${row?.started_at && row.state !== 'unreachable' && html`<span>up ${since(row.started_at)}</span>`}
          ${row?.host && html`<span>on ${row.host}, pid ${text(row.pid)}</span>`}
          ${row && html`<span>at ${row.address}</span>`}
          ${row?.role && html`<span>your role: <b>${row.role}</b></span>`}</p></div>
      ${row && html`<${Chip} state=${state.gone ? 'gone' : row.state} />`}
    </div>
    ${problem && html`<div class="note bad" role="alert">${problem}</div>`}
    ${row?.problem && html`<div class="note bad" role="alert">${row.problem}${row.name && html` What you see is what was known last.`}</div>`}
    ${lost && html`<div class="note bad" role="alert">${text(state.online)}</div>`}
    ${row?.state === 'not_ready' && html`<div class="note warn" role="status">Not ready: ${(row.reasons ?? []).map(text).join('; ') || 'it gave no reason'}</div>`}
    ${(row?.notes ?? []).map((note) => html`<div class="note warn">${text(note)}</div>`)}
    <nav class="tabs" aria-label="Pages of the app">${PAGES.filter(([page]) => page !== 'messages' || page === name || row?.messages).map(([page, title]) => html`
      <a href=${href(at.key, page)} aria-current=${page === name ? 'page' : undefined}>${title}</a>`)}</nav>
    <${Boundary} key=${name}><${Page} app=${at.key} row=${row ?? {}} data=${state.data} items=${state.items} query=${at.query} /><//>`;
}

function NoSession({ why }) {
  return html`<main class="alone"><${Empty} title=${why}>
    Press Enter where <code>appctl dashboard</code> runs, or send it SIGUSR1. It prints a new URL; open that. A URL is good once, and
    for a minute.<//></main>`;
}

const root = document.getElementById('app');
const show = (content) => render(content, root);
onEnd((why) => show(html`<${NoSession} why=${why} />`));
show(html`<main class="alone"><${Loading} /></main>`);
// A new URL in the same tab differs only behind the `#`, so the browser does not load it by itself.
addEventListener('hashchange', () => { if (hasToken()) location.reload(); });
const why = await begin();
show(why ? html`<${NoSession} why=${why} />` : html`<${Shell} />`);
