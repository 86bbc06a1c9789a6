// Charts of an app's metrics over the last hour, with gaps for times without an open page.

import { Empty, Loading, Problem, Search, Select, html, useEffect, useRef, useState } from './ui.js';
import { ask, appPath } from './net.js';
import { bytes, clock, duration, number, text, timeOfDay } from './format.js';

const AT_FIRST = 12;
const MORE = 24;
const GAP = 30e3;
/** What operators look at first, then the rest by name. */
const FIRST = ['process_resident_memory_bytes', 'process_cpu_seconds', 'process_threads', 'process_open_fds', 'log_records', 'service_tasks', 'command_queue_depth', 'command_run', 'command_wait'];
/** The services of the platform: none, config, metrics, health, rpc, tracing, messaging. */
const PLATFORM = ['', '0', '86813dd78fd207f5', 'e3054017c1b1d214', 'e105d0909fcc5ec5', 'e49214fa20b35ba8', '53056b9052ac5986', 'e5fd6a364d10d023'];
const isOwn = (family) => !PLATFORM.includes(family.service);
/** Round steps for bytes. */
const STEPS = Array.from({ length: 45 }, (_, at) => 2 ** at);
const COLOURS = ['#2f6feb', '#d9730d', '#2a9d5c', '#c2388f', '#7a5af0', '#0f9fb5', '#b58b00', '#d64545', '#5b7083', '#84a021', '#a3623a', '#3f8ad8', '#e06c9a', '#4caf93', '#9a86d6', '#888'];

/** A label without ids that have a name beside them. */
const shortLabel = (label) => label.replace(/\b(service|healthcheck)=[0-9a-f]+, (?=.*name=)/, '') || 'now';

const UNITS = { bytes, seconds: duration, milliseconds: (v) => duration(v / 1e3), microseconds: (v) => duration(v / 1e6), nanoseconds: (v) => duration(v / 1e9) };
const UNIT_OF_HELP = /(?:^|\bin )(bytes|(?:nano|micro|milli)?seconds)\b/i;

/** How a value is shown: by the unit at the end of the name, else by that of the help. Without one it is a plain number. */
function unit({ kind, readable, help }) {
  if (/since 1970/.test(help)) return (v) => clock(v * 1000, true).slice(0, 16);
  const last = /_([a-z]+)(?:_total)?$/.exec(readable)?.[1];
  if (/(^|_)cpu_seconds(_total)?$/.test(readable)) return (v) => `${number(v)} cores`;
  const name = Object.hasOwn(UNITS, last ?? '') ? last : UNIT_OF_HELP.exec(help)?.[1].toLowerCase();
  const show = UNITS[name] ?? number;
  return kind === 'counter' ? (v) => `${show(v)}/s` : show;
}

/** Adds a gap where the time between two points is long. */
function withGaps(times, values) {
  const [xs, ys] = [[], values.map(() => [])];
  times.forEach((time, at) => {
    if (at && time - times[at - 1] > GAP) {
      xs.push((times[at - 1] + time) / 2000);
      ys.forEach((line) => line.push(null));
    }
    xs.push(time / 1000);
    ys.forEach((line, of) => line.push(values[of][at] ?? null));
  });
  return [xs, ...ys];
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function Chart({ family, points }) {
  const box = useRef();
  const plot = useRef();
  const all = points?.families[family.name] ?? [];
  const rates = family.kind === 'histogram' ? all.filter((line) => !line.label.startsWith('rate')) : all;
  const shown = rates.slice(0, COLOURS.length);
  const labels = shown.map((line) => `${line.label}\n`).join('');
  const show = unit(family);
  const last = (line) => [...line.values].reverse().find((value) => value !== null);
  const rate = family.kind === 'histogram' && all.filter((line) => line.label.startsWith('rate')).reduce((sum, line) => sum + (last(line) ?? 0), 0);
  useEffect(() => {
    if (!shown.length) return undefined;
    const element = box.current;
    const axis = { stroke: css('--quiet'), grid: { stroke: css('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui', gap: 2 };
    plot.current = new uPlot({
      width: element.clientWidth, height: 130, legend: { show: false }, cursor: { y: false, drag: { x: false, y: false } },
      padding: [8, 6, 0, 0],
      scales: { y: { range: (_, low, high) => (low === null ? [0, 1] : low === high ? [Math.min(0, low), high > 0 ? high * 1.25 : 1] : [low < high * 0.5 && low >= 0 ? 0 : low, high + (high - low) * 0.08]) } },
      axes: [{ ...axis, size: 28, gap: 8, space: 70, values: (of, times) => times.map((time) => timeOfDay(time * 1000).slice(0, of.scales.x.max - of.scales.x.min < 600 ? 8 : 5)) },
        { ...axis, size: 72, space: 34, ...(show === bytes ? { incrs: STEPS } : {}), values: (_, values) => values.map((value) => show(value)) }],
      series: [{}, ...shown.map((line, at) => ({ label: line.label, stroke: COLOURS[at], width: 1.6, points: { show: (_, __, from, to) => to - from < 2, size: 4 } }))],
    }, withGaps(points.times, shown.map((line) => line.values)), element);
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 130 }));
    observer.observe(element);
    return () => { observer.disconnect(); plot.current.destroy(); plot.current = null; };
  }, [labels, document.documentElement.dataset.theme]);
  useEffect(() => {
    if (plot.current && shown.length) plot.current.setData(withGaps(points.times, shown.map((line) => line.values)));
  }, [points]);
  return html`<section class="card chart"><h3 title=${family.name}>${family.readable}</h3><p class="help">${text(family.help)}</p>
    <div ref=${box} class="plot" aria-hidden="true"></div>
    <ul class="legend">${shown.slice(0, 6).map((line, at) => html`<li><i style=${{ background: COLOURS[at] }} aria-hidden="true"></i>
      <span title=${line.label}>${shortLabel(line.label)}</span><b>${last(line) === undefined ? 'no value' : show(last(line))}</b></li>`)}
      ${rate !== false && html`<li><span>calls</span><b>${number(rate)}/s</b></li>`}
      ${all.length && family.series > shown.length && shown.length > 6 ? html`<li class="quiet">and more</li>` : shown.length > 6 && html`<li class="quiet">and ${shown.length - 6} more</li>`}</ul></section>`;
}

export function MetricsPage({ app, row, data }) {
  const [wanted, setWanted] = useState('');
  const [service, setService] = useState('');
  const [most, setMost] = useState(AT_FIRST);
  const [points, setPoints] = useState(null);
  const list = data.metrics;
  const families = list?.families ?? [];
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = (family) => { const at = FIRST.indexOf(family.readable.replace(/^app_/, '').replace(/_(total|seconds)$/, '')); return at < 0 ? FIRST.length : at; };
  const found = families
    .filter((family) => (!service || (service === 'own' ? isOwn(family) : !isOwn(family)))
      && words.every((word) => `${family.readable} ${family.name} ${family.help}`.toLowerCase().includes(word)))
    .sort((a, b) => rank(a) - rank(b) || isOwn(b) - isOwn(a) || (a.readable < b.readable ? -1 : 1));
  const shown = found.slice(0, most);
  const names = shown.map((family) => family.name).join(',');
  useEffect(() => {
    if (!names) return undefined;
    let current = true;
    ask(appPath(app, `points?names=${encodeURIComponent(names)}`)).then(({ ok, body }) => ok && current && setPoints(body));
    return () => { current = false; };
  }, [names, list?.at]);
  if (!list) return row.state === 'unreachable' ? null : html`<${Loading} />`;
  if (list.error) return html`<${Problem} problem=${list} what="Metrics" />`;
  if (!families.length) return html`<${Empty} title="No metrics">The app has none. Link <code>app-metrics</code> to get those of the platform.<//>`;
  return html`<div class="filters"><${Search} value=${wanted} onInput=${setWanted} label="Find a metric" />
      <${Select} label="Of" value=${service} onChange=${setService}><option value="">all</option><option value="own">services</option><option value="platform">the platform</option><//>
      <p class="quiet">${found.length} metrics, every 5 seconds while this page is open. A gap: nobody looked.</p></div>
    ${shown.length ? html`<div class="charts">${shown.map((family) => html`<${Chart} key=${family.name} family=${family} points=${points} />`)}</div>`
      : html`<${Empty} title="No metric matches">Nothing has “${wanted}” in its name or its help.<//>`}
    ${found.length > most && html`<p class="center"><button type="button" onClick=${() => setMost(most + MORE)}>Show ${Math.min(MORE, found.length - most)} more</button></p>`}
    ${list.left_out > 0 && html`<p class="quiet center">${number(list.left_out)} more series are not kept here; Prometheus has them all.</p>`}`;
}
