// Parts that all pages share.

import { h, Fragment } from './vendor/preact.mjs';
import { useEffect, useRef, useState } from './vendor/hooks.mjs';
import htm from './vendor/htm.mjs';
import { ask, appPath, caller } from './net.js';
import { ago, clock, text, utc } from './format.js';

export const html = htm.bind(h);
export { Fragment, useEffect, useRef, useState };

/** Each state: its tone, its sign (never the colour alone), and its name. */
const STATES = {
  ready: ['ok', '✓', 'Ready'], not_ready: ['warn', '!', 'Not ready'], unreachable: ['bad', '✕', 'Unreachable'],
  connecting: ['idle', '…', 'Connecting'], unknown: ['idle', '?', 'Unknown'],
  running: ['ok', '✓', 'Running'], starting: ['warn', '…', 'Starting'], stopping: ['warn', '…', 'Stopping'],
  stopped: ['idle', '■', 'Stopped'], failed: ['bad', '✕', 'Failed'], registered: ['idle', '○', 'Registered'],
  restarting: ['warn', '↻', 'Restarting'], done: ['ok', '✓', 'Done'], cancelled: ['idle', '■', 'Cancelled'],
  healthy: ['ok', '✓', 'Healthy'], unhealthy: ['bad', '✕', 'Unhealthy'], paused: ['idle', '‖', 'Paused'],
  good: ['ok', '✓', 'Good'], refused: ['bad', '✕', 'Refused'], gone: ['warn', '!', 'Gone'], unread: ['bad', '✕', 'Unread'],
  error: ['bad', '✕', 'Error'], warn: ['warn', '!', 'Warn'], info: ['info', 'i', 'Info'], debug: ['idle', '·', 'Debug'],
  trace: ['idle', '·', 'Trace'],
};
export const stateOf = (name) => (Object.hasOwn(STATES, name) ? STATES[name] : ['idle', '?', text(name) || 'Unknown']);
export const toneOf = (name) => stateOf(name)[0];

export function Chip({ state, label }) {
  const [tone, sign, name] = stateOf(state);
  return html`<span class=${`chip ${tone}`}><span class="sign" aria-hidden="true">${sign}</span>${label ?? name}</span>`;
}

/** A moment: how long ago, with the exact time as its title. */
export const Ago = ({ at }) => html`<time datetime=${utc(at)} title=${`${clock(at, true)} here, ${utc(at)}`}>${ago(at)}</time>`;
export const Clock = ({ at }) => html`<time datetime=${utc(at)} title=${utc(at)}>${clock(at)}</time>`;

export const Card = ({ title, aside, children, class: name = '' }) => html`<section class=${`card ${name}`}>
  ${title && html`<header><h2>${title}</h2>${aside}</header>`}${children}</section>`;

/** The heads of a table. The roles keep it a table where the style makes cards of its rows. */
export const Heads = ({ names }) => html`<thead role="rowgroup"><tr role="row">${names.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>`;

export const Empty = ({ title, children }) => html`<div class="empty"><p class="empty-title">${title}</p><p>${children}</p></div>`;

export const Loading = () => html`<p class="loading" role="status">Asking the app…</p>`;

/** Why there is no answer, in words. */
export function Problem({ problem, what = 'This' }) {
  const kind = { too_old: 'The app is too old', denied: 'Your role is too low' }[problem.kind];
  return html`<div class="empty"><p class="empty-title">${kind ?? `${what} is not available`}</p><p>${text(problem.error)}</p></div>`;
}

/** The last answer that is no problem. A failed question takes away neither what is shown nor an open dialog. */
export function useKnown(answer) {
  const known = useRef(null);
  if (answer && !answer.error) known.current = answer;
  return known.current;
}

/** Says that an answer is old because the last question failed. */
export const Old = ({ problem }) => problem && html`<div class="note bad" role="alert">${text(problem)} What you see is what was known last.</div>`;

/** Renders again every second, for times that pass. */
export function useTicks() {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
}

const ROLES = ['read', 'operate', 'admin'];

/** Why a role is too low for what needs `needed`; null if it is not, or if it is not known. */
export function lacking(role, needed) {
  const [have, need] = [ROLES.indexOf(role), ROLES.indexOf(needed)];
  return have >= 0 && have < need ? `needs role ${needed}, you have ${role}` : null;
}

/** A button for something that needs a role. Without the role it stays, and says which. */
export function Action({ role, needs, onClick, children, class: name = '', label, quiet }) {
  const lacks = lacking(role, needs);
  return html`<span class="action"><button type="button" class=${name} disabled=${!!lacks} title=${lacks ?? undefined} aria-label=${label} onClick=${onClick}>${children}</button>
    ${lacks && !quiet && html`<small class="lacks">${lacks}</small>`}</span>`;
}

/**
 * A dialog that asks for a reason, then changes something. `change` makes the body of the request, which is that of an operation
 * if `calls`. When the app has answered, the dialog says `said` and what `answer` makes of the answer.
 */
export function ChangeDialog({ app, title, children, destroys, calls, change, onDone, button = 'Do it', said = 'Done.', answer }) {
  const dialog = useRef();
  const [call] = useState(() => caller(app));
  const [reason, setReason] = useState('');
  const [sure, setSure] = useState(false);
  const [state, setState] = useState({});
  useEffect(() => dialog.current.showModal(), []);
  const submit = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    const asked = { ...change(), reason, ...(destroys ? { confirmed: sure } : {}) };
    const { ok, body } = await (calls ? call(asked) : ask(appPath(app, 'change'), asked));
    setState({ done: ok, body });
  };
  const { busy, done, body } = state;
  return html`<dialog ref=${dialog} onClose=${() => onDone(done)} aria-labelledby="dialog-title">
    <form method="dialog" onSubmit=${submit}>
      <h2 id="dialog-title">${title}</h2>
      ${children}
      ${done ? html`<div class="note ok" role="status">${said}${changed(body)}</div>${answer?.(body)}` : html`
        <label class="field"><span>Reason <small>for the log of the app</small></span>
          <input value=${reason} onInput=${(e) => setReason(e.target.value)} required maxlength="1024" autofocus placeholder="why?" /></label>
        ${destroys && html`<label class="check"><input type="checkbox" checked=${sure} required onChange=${(e) => setSure(e.target.checked)} />
          I know that this cannot be undone</label>`}
        ${body && html`<div class="note bad" role="alert">${denied(body)}</div>`}`}
      <footer>
        <button type="button" onClick=${() => dialog.current.close()}>${done ? 'Close' : 'Cancel'}</button>
        ${!done && html`<button class=${destroys ? 'danger' : 'primary'} disabled=${busy || !reason.trim()}>${busy ? 'Asking…' : button}</button>`}
      </footer>
    </form></dialog>`;
}

const denied = (body) => (body.kind === 'denied' ? `Denied. ${text(body.error)}` : text(body.error));

function changed(body) {
  const notes = Array.isArray(body?.notes) ? body.notes : [];
  return html`${notes.map((note) => html` <p>${text(note)}</p>`)}
    ${body?.outcome && html` The check ${text(body.outcome)}.`}`;
}

/** A small line of numbers; null is a gap. */
export function Spark({ values, label }) {
  const known = (values ?? []).filter((value) => typeof value === 'number');
  if (known.length < 2) return null;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const [width, height] = [72, 20];
  const step = width / (values.length - 1);
  let path = '';
  values.forEach((value, at) => {
    if (typeof value !== 'number') return;
    const y = high === low ? height / 2 : height - 2 - ((value - low) / (high - low)) * (height - 4);
    path += `${typeof values[at - 1] === 'number' ? 'L' : 'M'}${(at * step).toFixed(1)} ${y.toFixed(1)}`;
  });
  return html`<svg class="spark" viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${label}><path d=${path} /></svg>`;
}

/** The strip of the last values, newest at the right. */
export const Search = ({ value, onInput, label }) => html`<input type="search" class="search" value=${value} aria-label=${label}
  placeholder=${label} onInput=${(event) => onInput(event.target.value)} />`;

export const Select = ({ value, onChange, label, children }) => html`<label class="select"><span>${label}</span>
  <select value=${value} onChange=${(event) => onChange(event.target.value)}>${children}</select></label>`;
