// The services of an app: who needs whom, in which state, and how the start went.

import { Action, Ago, Card, ChangeDialog, Chip, Clock, Empty, Heads, Loading, Old, Problem, html, stateOf, useEffect, useKnown, useRef, useState } from './ui.js';
import { count, duration, millis, text } from './format.js';

const [WIDTH, HEIGHT, GAP_X, GAP_Y, LANE] = [186, 54, 14, 12, 34];
const LEVELS = ['debug', 'info', 'warn', 'error'];

const stateName = (service) => (service.restarting ? 'restarting' : text(service.state));
const nameOf = (service) => text(service.name) || text(service.id);

/** Adds to each service: its level from the bottom, who needs it, and which needs to draw. */
function graph(services) {
  const byId = new Map(services.map((service) => [service.id, service]));
  const needs = (service) => (Array.isArray(service.needs) ? service.needs : []).filter((id) => byId.has(id) && id !== service.id);
  const below = new Map();
  const all = (id, path = new Set()) => {
    if (below.has(id)) return below.get(id);
    const found = new Set();
    // A circle cannot run; an app that reports one must not stop this page.
    if (path.has(id)) return found;
    path.add(id);
    for (const need of needs(byId.get(id))) {
      found.add(need);
      for (const further of all(need, path)) found.add(further);
    }
    path.delete(id);
    below.set(id, found);
    return found;
  };
  const levels = new Map();
  const level = (id, path = new Set()) => {
    if (levels.has(id)) return levels.get(id);
    if (path.has(id)) return 0;
    path.add(id);
    const most = needs(byId.get(id)).reduce((max, need) => Math.max(max, level(need, path) + 1), 0);
    path.delete(id);
    levels.set(id, most);
    return most;
  };
  return services.map((service) => {
    const own = needs(service);
    return {
      ...service,
      level: level(service.id),
      below: all(service.id),
      above: services.filter((other) => other.id !== service.id && all(other.id).has(service.id)).map((other) => other.id),
      // What another need needs too is not drawn: the line would say nothing new.
      drawn: own.filter((need) => !own.some((other) => other !== need && all(other).has(need))),
    };
  });
}

function useWidth() {
  const element = useRef();
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}

/** Places each service: a band for each level, the highest on top, wrapped at the width. */
function place(services, width) {
  const perRow = Math.max(1, Math.floor((width + GAP_X) / (WIDTH + GAP_X)));
  const columns = Math.max(perRow, Math.min(2, services.length));
  const size = Math.min(WIDTH, (width - GAP_X * (columns - 1)) / columns);
  const places = new Map();
  let y = 0;
  const bands = [];
  for (let level = Math.max(0, ...services.map((service) => service.level)); level >= 0; level -= 1) {
    const band = services.filter((service) => service.level === level).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    const top = y;
    band.forEach((service, at) => {
      const inRow = Math.min(columns, band.length - Math.floor(at / columns) * columns);
      const left = (width - inRow * size - (inRow - 1) * GAP_X) / 2;
      const x = left + (at % columns) * (size + GAP_X);
      places.set(service.id, { x, y: top + Math.floor(at / columns) * (HEIGHT + GAP_Y), size });
    });
    y = top + Math.ceil(band.length / columns) * (HEIGHT + GAP_Y) - GAP_Y + LANE;
    bands.push({ level, top, count: band.length });
  }
  return { places, bands, height: Math.max(0, y - LANE) };
}

function Graph({ services, chosen, choose }) {
  const [element, width] = useWidth();
  const { places, height } = width ? place(services, width) : { places: new Map(), height: 0 };
  const selected = services.find((service) => service.id === chosen);
  const related = (id) => !selected || id === chosen || selected.below.has(id) || selected.above.includes(id);
  const edges = width ? services.flatMap((service) => service.drawn.map((need) => [service, need])) : [];
  return html`<div class="graph" ref=${element} style=${{ height: `${height}px` }} role="group" aria-label="Services, dependents above their dependencies">
    <svg width=${width} height=${height} aria-hidden="true">${edges.map(([service, need]) => {
      const [from, to] = [places.get(service.id), places.get(need)];
      const [x1, y1, x2, y2] = [from.x + from.size / 2, from.y + HEIGHT, to.x + to.size / 2, to.y];
      const bend = Math.max(16, (y2 - y1) / 2);
      const hot = selected && (service.id === chosen || need === chosen || (related(service.id) && related(need) && !(service.id === need)));
      return html`<path class=${selected ? (hot && related(service.id) && related(need) ? 'hot' : 'cold') : ''}
        d=${`M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`} />`;
    })}</svg>
    ${services.map((service) => {
      const at = places.get(service.id);
      if (!at) return null;
      const [tone, sign, name] = stateOf(stateName(service));
      return html`<button type="button" key=${service.id} class=${`node ${tone} ${related(service.id) ? '' : 'cold'}`} aria-pressed=${service.id === chosen}
        style=${{ left: `${at.x}px`, top: `${at.y}px`, width: `${at.size}px`, height: `${HEIGHT}px` }} onClick=${() => choose(service.id === chosen ? null : service.id)}
        aria-label=${`${nameOf(service)}: ${name}, ${count(service.restarts ?? 0, 'restart')}`}>
        <b>${nameOf(service)}</b><span><i class="sign" aria-hidden="true">${sign}</i>${name}${service.restarts > 0 && html`<em title="restarts">↻ ${service.restarts}</em>`}</span></button>`;
    })}</div>`;
}

/** When each start function ran, for services that still run since then. */
function Timeline({ services }) {
  const now = Date.now();
  const bars = services
    .filter((service) => service.uptime_seconds !== null && isFinite(service.uptime_seconds))
    .map((service) => {
      const end = now - service.uptime_seconds * 1000;
      return { service, begin: end - service.start_seconds * 1000, end };
    });
  const original = bars.filter(({ service }) => !service.restarts);
  const later = bars.filter(({ service }) => service.restarts);
  if (!original.length) return html`<${Empty} title="Nothing to show">No service runs since the start of the app.<//>`;
  const start = Math.min(...original.map((bar) => bar.begin));
  const total = Math.max(1, ...original.map((bar) => bar.end - start));
  original.sort((a, b) => a.begin - b.begin || a.end - b.end);
  return html`<p class="lead">The services started within <b>${duration(total / 1000)}</b>. A bar is the time of a start function.</p>
    <ol class="timeline">${original.map(({ service, begin, end }) => html`<li>
      <span class="bar-name">${nameOf(service)}</span>
      <span class="bar-lane" aria-hidden="true"><span class="bar" style=${{ left: `${((begin - start) / total) * 100}%`, width: `${Math.max(0.6, ((end - begin) / total) * 100)}%` }}></span></span>
      <span class="bar-time">${duration(service.start_seconds)}</span></li>`)}</ol>
    ${later.length > 0 && html`<p class="quiet">Restarted since, and not shown: ${later.map(({ service }) => nameOf(service)).join(', ')}.</p>`}`;
}

function Table({ services, chosen, choose }) {
  const sorted = [...services].sort((a, b) => (a.state === 'running') - (b.state === 'running') || (nameOf(a) < nameOf(b) ? -1 : 1));
  return html`<div class="scroll"><table role="table"><${Heads} names=${['Service', 'State', 'Uptime', 'Restarts', 'Tasks', 'Level', 'Why']} />
    <tbody role="rowgroup">${sorted.map((service) => html`<tr role="row" key=${service.id} class=${service.id === chosen ? 'chosen' : ''}>
      <td role="cell" data-label="Service"><button type="button" class="link" onClick=${() => choose(service.id)}>${nameOf(service)}</button></td>
      <td role="cell" data-label="State"><${Chip} state=${stateName(service)} /></td>
      <td role="cell" data-label="Uptime">${service.uptime_seconds === null ? '–' : duration(service.uptime_seconds)}</td>
      <td role="cell" data-label="Restarts">${text(service.restarts)}</td><td role="cell" data-label="Tasks">${text(service.tasks)}</td>
      <td role="cell" data-label="Level">${text(service.level_name)}</td>
      <td role="cell" data-label="Why" class="wide">${text(service.reason ?? service.config_note ?? (service.last_failure ? `last failure: ${service.last_failure}` : ''))}</td></tr>`)}</tbody></table></div>`;
}

function Detail({ service, services, role, open, close }) {
  const names = (ids) => services.filter((other) => [...ids].includes(other.id)).map(nameOf).sort().join(', ') || 'nothing';
  const running = service.above.filter((id) => services.find((other) => other.id === id)?.state === 'running');
  return html`<${Card} class="detail" title=${nameOf(service)} aside=${html`<button type="button" class="ghost" onClick=${close} aria-label="Close the details">✕</button>`}>
    <p><${Chip} state=${stateName(service)} /></p>
    ${service.reason && html`<div class="note warn">${text(service.reason)}</div>`}
    ${service.config_note && html`<div class="note warn">${text(service.config_note)}</div>`}
    <dl><dt>Id</dt><dd><code>${text(service.id)}</code></dd>
      <dt>Uptime</dt><dd>${service.uptime_seconds === null ? 'does not run' : duration(service.uptime_seconds)}</dd>
      <dt>Start took</dt><dd>${duration(service.start_seconds)}</dd>
      <dt>Restarts</dt><dd>${text(service.restarts)}, after ${count(service.deaths ?? 0, 'failure')} and ${count(service.planned_stops ?? 0, 'planned stop')}</dd>
      ${service.restart_policy && html`<dt>Policy</dt><dd>${text(service.restart_policy)}</dd>`}
      <dt>Tasks</dt><dd>${text(service.tasks)}</dd><dt>Log level</dt><dd>${text(service.level_name)}</dd>
      <dt>Needs</dt><dd>${names(service.needs ?? [])}</dd>
      <dt>Takes along</dt><dd>${names(service.above)}</dd>
      ${service.last_failure && html`<dt>Last failure</dt><dd>${text(service.last_failure)} ${service.last_failure_at && html`(<${Ago} at=${service.last_failure_at} />)`}</dd>`}</dl>
    <div class="buttons"><${Action} role=${role} needs="operate" quiet onClick=${() => open('restart', service, running.length)}>Restart…<//>
      <${Action} role=${role} needs="operate" onClick=${() => open('level', service)}>Log level…<//></div><//>`;
}

export function LevelDialog({ app, service, services, onDone }) {
  const [level, setLevel] = useState('debug');
  const [time, setTime] = useState('600000');
  const [of, setOf] = useState(service?.id ?? '');
  return html`<${ChangeDialog} app=${app} title="Log level" button="Set the level" onDone=${onDone}
    change=${() => (level === 'reset' ? { change: 'reset_level', service: of || null } : { change: 'set_level', level, service: of || null, for_millis: Number(time) })}>
    ${services && html`<label class="field">Of <select value=${of} onChange=${(e) => setOf(e.target.value)}><option value="">the app</option>
      ${services.map((other) => html`<option value=${other.id}>${nameOf(other)}</option>`)}</select></label>`}
    ${!services && service && html`<p>Of the service <b>${nameOf(service)}</b>.</p>`}
    <label class="field">Level <select value=${level} onChange=${(e) => setLevel(e.target.value)}>${LEVELS.map((name) => html`<option>${name}</option>`)}
      <option value="reset">back to that of the start</option></select></label>
    ${level !== 'reset' && html`<label class="field">For <select value=${time} onChange=${(e) => setTime(e.target.value)}>
      <option value="60000">1 minute</option><option value="600000">10 minutes</option><option value="3600000">1 hour</option><option value="0">until the app ends</option></select></label>`}<//>`;
}

export function ServicesPage({ app, row, data, items }) {
  const [view, setView] = useState('graph');
  const [chosen, choose] = useState(null);
  const [dialog, setDialog] = useState(null);
  const answer = data.services;
  const known = useKnown(answer);
  if (!answer) return row.state === 'unreachable' ? null : html`<${Loading} />`;
  if (!known) return html`<${Problem} problem=${answer} what="The list of services" />`;
  const plain = (Array.isArray(known.services) ? known.services : []).filter((service) => service && typeof service === 'object');
  if (!plain.length) return html`<${Empty} title="No services">The app has none. Its link list is empty.<//>`;
  const services = graph(plain.map((service) => ({ ...service, level_name: service.level })));
  const service = services.find((one) => one.id === chosen);
  const restarts = services.find((one) => one.id === dialog?.of.id) ?? dialog?.of;
  const recent = (items.events ?? []).filter((event) => /fail|restart|died|death|killed|stopp/.test(text(event.kind))).slice(-8).reverse();
  const views = [['graph', 'Graph'], ['table', 'Table'], ['start', 'Start-up']];
  return html`<${Old} problem=${answer.error} /><div class=${`split ${service ? 'with-detail' : ''}`}>
    <${Card} title="Services" aside=${html`<div class="segments" role="group" aria-label="View">${views.map(([name, title]) => html`
      <button type="button" aria-pressed=${view === name} onClick=${() => setView(name)}>${title}</button>`)}</div>`}>
      ${view === 'graph' && html`<${Graph} services=${services} chosen=${chosen} choose=${choose} />
        <p class="quiet">A service needs those below it. Choose one to see whom it takes along.</p>`}
      ${view === 'table' && html`<${Table} services=${services} chosen=${chosen} choose=${choose} />`}
      ${view === 'start' && html`<${Timeline} services=${services} />`}<//>
    ${service && html`<${Detail} service=${service} services=${services} role=${row.role} close=${() => choose(null)}
      open=${(kind, of, along) => setDialog({ kind, of, along })} />`}</div>
    ${recent.length > 0 && html`<${Card} title="Stops and restarts"><ol class="recent">${recent.map((event) => html`<li><${Clock} at=${event.at_millis ?? millis(event.at)} />
      <b>${text(event.service_name)}</b> ${text(event.message)}</li>`)}</ol><//>`}
    ${dialog?.kind === 'restart' && html`<${ChangeDialog} app=${app} title=${`Restart ${nameOf(dialog.of)}?`} button="Restart" onDone=${() => setDialog(null)}
      said="The restart is decided. The state below shows how it goes." change=${() => ({ change: 'restart', service: dialog.of.id })}>
      <p>${dialog.along ? html`It takes along <b>${count(dialog.along, 'service')}</b> that depend on it.` : 'Nothing depends on it.'}</p>
      <p>${nameOf(dialog.of)}: <${Chip} state=${stateName(restarts)} />${restarts.restarts > 0 && ` ${count(restarts.restarts, 'restart')}`} ${text(restarts.reason)}</p><//>`}
    ${dialog?.kind === 'level' && html`<${LevelDialog} app=${app} service=${dialog.of} onDone=${() => setDialog(null)} />`}`;
}
