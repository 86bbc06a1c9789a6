// The fleet: each instance in one row, the worst first.

import { Ago, Chip, Empty, Heads, Loading, Search, Spark, html, useState, useTicks } from './ui.js';
import { bytes, count, number, since, text } from './format.js';

const WORST_FIRST = ['unreachable', 'not_ready', 'unknown', 'connecting', 'ready'];
const SOON = 14 * 86400e3;

export const href = (key, page = 'services') => `#/app/${encodeURIComponent(key)}/${page}`;

function rank(row) {
  const trouble = row.checks?.unhealthy || row.services?.failed ? 0.5 : 0;
  return WORST_FIRST.indexOf(row.state) - trouble;
}

export function FleetPage({ state }) {
  useTicks();
  const [wanted, setWanted] = useState('');
  if (!state.keys) return html`<h1>Fleet</h1><${Loading} />`;
  if (!state.keys.length) {
    if (state.problem) return html`<h1>Fleet</h1><${Empty} title="The contexts cannot be read">${text(state.problem.error)}<//>`;
    return html`<h1>Fleet</h1><${Empty} title="No apps yet">Tell appctl about one, then it is here within ten seconds:<br />
      <code>appctl context add NAME --address HOST:PORT --domain-id ID --app-id ID --ca FILE --cert FILE --key FILE</code><//>`;
  }
  const all = state.keys.map((key) => state.rows[key]).filter(Boolean);
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = all
    .filter((row) => words.every((word) => JSON.stringify([row.key, row.name, row.host, row.version, row.address, row.state]).toLowerCase().includes(word)))
    .sort((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : 1));
  // What is known of the others is old.
  const reached = all.filter((row) => row.state !== 'unreachable');
  const of = (name) => all.filter((row) => row.state === name).length;
  const failing = reached.reduce((sum, row) => sum + (row.checks?.unhealthy ?? 0), 0);
  const down = reached.reduce((sum, row) => sum + (row.services ? row.services.total - row.services.running : 0), 0);
  return html`
    <div class="app-head"><h1>Fleet</h1><${Search} value=${wanted} onInput=${setWanted} label="Filter apps" /></div>
    ${state.problem && html`<div class="note bad" role="alert">The contexts cannot be read, so the list is old. ${text(state.problem.error)}</div>`}
    <ul class="tiles" aria-label="Summary">
      <${Tile} value=${of('ready')} of=${all.length} label="ready" tone=${of('ready') === all.length ? 'ok' : ''} />
      <${Tile} value=${of('not_ready')} label="not ready" tone=${of('not_ready') && 'warn'} />
      <${Tile} value=${of('unreachable')} label="unreachable" tone=${of('unreachable') && 'bad'} />
      <${Tile} value=${down} label="services not running" tone=${down && 'warn'} />
      <${Tile} value=${failing} label="checks unhealthy" tone=${failing && 'bad'} />
    </ul>
    ${rows.length ? html`<div class="card flush"><table class="fleet" role="table"><${Heads} names=${['App', 'State', 'Services', 'Checks', 'Restarts', 'Memory', 'Errors', 'Uptime']} /><tbody role="rowgroup">${rows.map((row) => html`<${Row} key=${row.key} row=${row} />`)}</tbody></table></div>`
    : html`<${Empty} title="No app matches">Nothing has “${wanted}” in its name, host, version or state.<//>`}`;
}

const Tile = ({ value, of, label, tone }) => html`<li class=${`tile ${tone || ''}`}><b>${number(value)}${of !== undefined && html`<small> of ${of}</small>`}</b>
  <span>${label}</span></li>`;

const Cell = ({ label, short, children }) => html`<td role="cell" data-label=${label} class=${short ? 'short' : ''}><div>${children}</div></td>`;

function Row({ row }) {
  const { services, checks } = row;
  const gone = row.state === 'unreachable';
  // Of an app that is not reached, this was known last.
  const were = gone ? 'were ' : '';
  const title = text(row.name) || row.key;
  return html`<tr role="row" class=${gone ? 'gone' : ''} onClick=${(event) => { if (!event.target.closest('a')) location.hash = href(row.key); }}>
    <td role="cell" class="name"><a href=${href(row.key)}>${row.key}</a>
      <small>${[title !== row.key && title, row.version, row.host, row.address].filter(Boolean).map(text).join(' · ')}</small></td>
    <${Cell} label="State"><${Chip} state=${row.state} />
      ${gone && html`<small class="why">${row.problem}</small>`}
      ${row.state === 'not_ready' && html`<small class="why">${(row.reasons ?? []).map(text).join('; ')}</small>`}
      ${!gone && row.next_end && Date.parse(row.next_end) - Date.now() < SOON && html`<small class="why">certificate ends <${Ago} at=${row.next_end} /></small>`}<//>
    <${Cell} label="Services">${services ? html`<span class=${!gone && services.running < services.total ? 'warn-text' : ''}>${were}${services.running} of ${services.total} running</span>
      ${!gone && services.not_running?.length > 0 && html`<small>${services.not_running.map((s) => `${text(s.name)}: ${text(s.state)}`).join(', ')}</small>`}` : '–'}<//>
    <${Cell} label="Checks">${checks ? html`<span class=${!gone && checks.unhealthy ? 'bad-text' : ''}>${were}${checks.unhealthy ? `${checks.unhealthy} unhealthy` : `${checks.healthy} of ${checks.total} healthy`}</span>
      ${!gone && checks.failing?.length > 0 && html`<small>${checks.failing.map(text).join(', ')}</small>`}
      ${!gone && checks.paused > 0 && html`<small>${checks.paused} paused</small>`}` : '–'}<//>
    <${Cell} label="Restarts">${services ? html`<span>${number(services.restarts)}</span>${services.failures > 0 && html`<small>${count(services.failures, 'failure')}</small>`}` : '–'}<//>
    <${Cell} label="Memory" short><span>${gone ? '–' : bytes(row.memory_bytes)}</span> <${Spark} values=${row.memory_trend} label="memory, the last minutes" /><//>
    <${Cell} label="Errors" short>${!gone && typeof row.errors_per_minute === 'number' ? html`<span class=${row.errors_per_minute > 0 ? 'bad-text' : ''}>${number(row.errors_per_minute)}/min</span>` : '–'}<//>
    <${Cell} label="Uptime" short>${row.started_at && !gone ? since(row.started_at) : '–'}<//>
  </tr>`;
}
