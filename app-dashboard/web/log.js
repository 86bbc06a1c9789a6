// The log and the events of an app, as they happen.

import { Chip, Clock, Empty, Loading, Problem, Search, Select, html, useEffect, useRef, useState } from './ui.js';
import { millis, text } from './format.js';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'];
const MOST_ROWS = 400;
/** Keys of a record that the row shows in other places, or that all records of the app share. */
const SHOWN = new Set(['time', 'level', 'message', 'svc_name', 'domain', 'app', 'release', 'instance']);
const TRACE_ID = /^[0-9a-f]{32}$/;
/** The trace that a record belongs to, if its id is one. */
const traceOf = (record) => (TRACE_ID.test(record?.trace_id) ? record.trace_id : '');
/** The page of now with another query. */
const here = (query) => `${location.hash.split('?')[0]}${query}`;

const recordOf = (item) => {
  if (item.record && typeof item.record === 'object') return item.record;
  try { return JSON.parse(item.record) ?? {}; } catch { return {}; }
};
const timeOf = (item) => item.at_millis ?? millis(item.at);
const levelOf = (item) => text(item.level).toLowerCase();

/** Whether the level of a record is this one or worse. A level of another name is shown always. */
const isFrom = (item, from) => {
  const at = LOG_LEVELS.indexOf(levelOf(item));
  return at < 0 || at >= from;
};

/** A list that grows at its end, and stays there while it is followed. */
function Tail({ rows, follow, label, children }) {
  const box = useRef();
  useEffect(() => { if (follow) box.current.scrollTop = box.current.scrollHeight; }, [rows.length && rows.at(-1), follow]);
  return html`<div class="card flush tail" ref=${box} tabindex="0" role="log" aria-live="off" aria-label=${label}>${children}</div>`;
}

function Controls({ wanted, setWanted, services, service, setService, follow, setFollow, trace, children, shown, total, what }) {
  return html`<div class="filters"><${Search} value=${wanted} onInput=${setWanted} label=${`Find in ${what}`} />
    <${Select} label="Service" value=${service} onChange=${setService}><option value="">all</option>${services.map((name) => html`<option>${name}</option>`)}<//>
    ${children}
    ${trace && html`<p class="badge">Trace ${trace} <a href=${here('')}>show all records</a></p>`}
    <label class="check"><input type="checkbox" checked=${follow} onChange=${(e) => setFollow(e.target.checked)} /> Follow</label>
    <p class="quiet" role="status">${shown} of ${total} ${what}</p></div>`;
}

function useFilter(items, query) {
  const [wanted, setWanted] = useState(query?.get('find') ?? '');
  const [service, setService] = useState('');
  const [follow, setFollow] = useState(true);
  // From the address, so that the same link shows the same records.
  const trace = query?.get('trace') ?? '';
  const services = [...new Set(items.map((item) => text(item.service_name)).filter(Boolean))].sort();
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (item) => (isNote(item) && !trace) || ((!service || text(item.service_name) === service)
    && (!trace || traceOf(recordOf(item)) === trace)
    && words.every((word) => JSON.stringify(item).toLowerCase().includes(word)));
  return { wanted, setWanted, service, setService, services, follow, setFollow, trace, matches };
}

/** A row that is no item: what is missing, or where another process begins. */
const isNote = (item) => item.missed || item.restarted;
const Note = ({ item, what }) => html`<p class="missed">${item.restarted ? 'Another process of the app begins here.' : `${text(item.missed)} ${what} are missing here: the app keeps the last thousand.`}</p>`;

function Value({ name, value }) {
  if (name === 'trace_id' && TRACE_ID.test(value)) return html`<a href=${here(`?trace=${value}`)} title="Show all records of this trace">${value}</a>`;
  return html`<code>${typeof value === 'object' && value ? JSON.stringify(value, null, 1) : text(value)}</code>`;
}

export function LogPage({ row, data, items, query }) {
  const records = items.logs ?? [];
  const filter = useFilter(records, query);
  const [level, setLevel] = useState('debug');
  if (data.logs?.error) return html`<${Problem} problem=${data.logs} what="The log" />`;
  if (!data.logs) return row.state === 'unreachable' ? null : html`<${Loading} />`;
  const from = LOG_LEVELS.indexOf(level);
  const found = records.filter((item) => filter.matches(item) && (isNote(item) || isFrom(item, from)));
  const shown = found.slice(-MOST_ROWS);
  return html`<${Controls} ...${filter} shown=${shown.length} total=${records.length} what="records">
      <${Select} label="Level" value=${level} onChange=${setLevel}>${LOG_LEVELS.map((name) => html`<option value=${name}>${name === 'debug' ? 'all' : `${name} and worse`}</option>`)}<//><//>
    ${shown.length ? html`<${Tail} rows=${shown} follow=${filter.follow} label="Log records">${shown.map((item) => {
      if (isNote(item)) return html`<${Note} key=${item.seq} item=${item} what="records" />`;
      const record = recordOf(item);
      const more = Object.entries(record).filter(([name]) => !SHOWN.has(name));
      const line = html`<${Clock} at=${timeOf(item)} /><${Chip} state=${levelOf(item)} label=${levelOf(item)} /><span class="from">${text(item.service_name)}</span><span class="message">${text(item.message)}</span>`;
      return more.length ? html`<details key=${item.seq} class=${`line ${levelOf(item)}`}><summary>${line}</summary><dl>${more.map(([name, value]) => html`<dt>${name}</dt><dd><${Value} name=${name} value=${value} /></dd>`)}</dl></details>`
        : html`<div key=${item.seq} class=${`line ${levelOf(item)}`}>${line}</div>`;
    })}<//>` : html`<${Empty} title=${records.length ? 'No record matches' : 'No records yet'}>${records.length ? 'Choose another service or level, or clear the search.' : 'The log is quiet. To see more, set the level to debug on the page Operations.'}<//>`}`;
}

export function EventsPage({ row, data, items }) {
  const events = items.events ?? [];
  const filter = useFilter(events);
  if (data.events?.error) return html`<${Problem} problem=${data.events} what="The journal" />`;
  if (!data.events) return row.state === 'unreachable' ? null : html`<${Loading} />`;
  const shown = events.filter(filter.matches).slice(-MOST_ROWS);
  return html`<${Controls} ...${filter} shown=${shown.length} total=${events.length} what="events" />
    ${shown.length ? html`<${Tail} rows=${shown} follow=${filter.follow} label="Events">${shown.map((item) => (isNote(item)
      ? html`<${Note} key=${item.seq} item=${item} what="events" />`
      : html`<div key=${item.seq} class="line event"><${Clock} at=${timeOf(item)} /><span class="badge">${text(item.kind)}</span><span class="from">${text(item.service_name)}</span><span class="message">${text(item.message)}</span></div>`))}<//>`
      : html`<${Empty} title=${events.length ? 'No event matches' : 'No events yet'}>${events.length ? 'Choose another service, or clear the search.' : 'Starts, stops, failures and health checks are here when they happen.'}<//>`}`;
}
