// The configs that the services run with, field by field.

import { Action, Card, ChangeDialog, Chip, Clock, Empty, Heads, Loading, Problem, Search, html, useState } from './ui.js';
import { bytes, clock, number, since, text } from './format.js';

/** The objects of a list; none if it is no list. */
const objects = (list) => (Array.isArray(list) ? list.filter((item) => item && typeof item === 'object') : []);

function status(config) {
  if (config.file !== 'good') return html`<${Chip} state=${config.file} />`;
  return html`<${Chip} state="good" label=${config.from_file ? 'From its file' : 'Defaults'} />`;
}

const Statuses = ({ configs }) => html`<div class="scroll"><table role="table"><${Heads} names=${['Service', 'Config', 'Reloads', 'Note']} />
  <tbody role="rowgroup">${configs.map((config) => html`<tr role="row"><td role="cell" data-label="Service">${text(config.name) || text(config.service)}</td><td role="cell" data-label="Config">${status(config)}</td>
    <td role="cell" data-label="Reloads">${text(config.reloads)}${config.refusals > 0 && `, ${config.refusals} refused`}</td>
    <td role="cell" data-label="Note" class="wide">${config.problem ? text(config.problem) : config.waiting ? 'A new value takes effect at the next start.' : config.reloadable ? 'Takes new values while it runs.' : 'Takes new values at its start.'}
      ${config.file_since && html` (for ${since(config.file_since)})`}</td></tr>`)}</tbody></table></div>`;

function shown(field) {
  if (field.secret) return html`<span class="quiet">set, ${bytes(field.secret.bytes)}${field.secret.since_millis ? html`, since ${clock(field.secret.since_millis, true)}` : ''}</span>`;
  if (field.value === '' || field.value === null || field.value === undefined) return html`<span class="quiet">empty</span>`;
  return html`<code>${text(field.value)}</code>`;
}

function Effective({ service, words }) {
  const fields = objects(service.fields).filter((field) => words.every((word) => `${service.name} ${field.path} ${text(field.value)} ${field.source}`.toLowerCase().includes(word)));
  if (words.length && !fields.length) return null;
  return html`<${Card} title=${text(service.name) || text(service.id)} aside=${html`<span class="quiet">${service.file ? text(service.file) : 'defaults'}${service.since_millis ? html`, since ${clock(service.since_millis, true)}` : ''}</span>`}>
    ${fields.length ? html`<div class="scroll"><table role="table"><${Heads} names=${['Field', 'Value', 'From', 'Since']} /><tbody role="rowgroup">${fields.map((field) => html`<tr role="row">
      <td role="cell" data-label="Field"><code>${text(field.path)}</code></td><td role="cell" data-label="Value" class="wide">${shown(field)}</td>
      <td role="cell" data-label="From"><span class=${`badge ${field.source === 'default' ? '' : 'strong'}`}>${text(field.source)}</span>${field.from && html` <code>${text(field.from)}</code>`}</td>
      <td role="cell" data-label="Since">${field.since_millis ? html`<${Clock} at=${field.since_millis} />` : '–'}</td></tr>`)}</tbody></table></div>` : html`<p class="quiet">It has no fields.</p>`}
    ${service.left_out > 0 && html`<p class="quiet">${number(service.left_out)} more fields are not shown. <code>appctl config show ${text(service.name) || text(service.id)}</code> shows them.</p>`}<//>`;
}

export function ConfigPage({ app, row, data }) {
  const [wanted, setWanted] = useState('');
  const [dialog, setDialog] = useState(false);
  const answer = data.config;
  if (!answer) return row.state === 'unreachable' ? null : html`<${Loading} />`;
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const { statuses, effective } = answer;
  const services = objects(effective?.services);
  return html`<div class="filters"><${Search} value=${wanted} onInput=${setWanted} label="Find a field" />
      <${Action} role=${row.role} needs="operate" onClick=${() => setDialog(true)}>Reload the files…<//></div>
    ${!words.length && (statuses?.error ? html`<${Problem} problem=${statuses} what="The state of the configs" />`
      : html`<${Card} title="Files">${statuses?.configs?.length ? html`<${Statuses} configs=${statuses.configs} />` : html`<${Empty} title="No configs">No service has taken a config.<//>`}<//>`)}
    ${effective?.error ? html`<${Card} title="Effective values"><${Problem} problem=${effective} what="The effective config" /><//>`
      : services.map((service) => html`<${Effective} key=${service.id} service=${service} words=${words} />`)}
    ${dialog && html`<${ChangeDialog} app=${app} title="Reload the config files?" button="Reload" onDone=${() => setDialog(false)} change=${() => ({ change: 'reload' })}>
      <p>Services that support it take new values at once. A bad file is refused, and the value of now stays.</p><//>`}`;
}
