// What operators may do: forms for the operations of the services, made from their schemas, and for what each app has.

import { Action, Card, ChangeDialog, Chip, Empty, Heads, Loading, Search, html, lacking, useEffect, useState } from './ui.js';
import { href } from './fleet.js';
import { LevelDialog } from './services.js';
import { ask, appPath, caller } from './net.js';
import { duration, number, text } from './format.js';

const EFFECTS = { reads: 'Reads', changes: 'Changes', destroys: 'Destroys' };
const TOO_LARGE = 'the number is too large for this page; use appctl do';
const SCALARS = ['string', 'integer', 'number', 'boolean'];
const LOOK_AT_JOB_MILLIS = 1000;

/** The value of this name, which comes from the app: never what every object inherits, such as `constructor`. */
const own = (of, name) => (Object.hasOwn(of, name) ? of[name] : undefined);

/** The schema that `$ref` names, and the type without null. */
function resolved(schema, root) {
  let found = schema === true ? {} : schema ?? {};
  for (let depth = 0; found.$ref && depth < 8; depth += 1) {
    const target = found.$ref.replace(/^#\//, '').split('/').reduce((at, name) => at?.[name.replace(/~1/g, '/').replace(/~0/g, '~')], root);
    found = { ...target, ...found, $ref: target?.$ref };
  }
  const choices = (found.anyOf ?? found.oneOf ?? []).filter((choice) => choice.type !== 'null');
  if (choices.length === 1 && !found.type) return resolved({ ...choices[0], description: found.description ?? choices[0].description }, root);
  if (choices.length && choices.every((choice) => 'const' in choice || choice.enum?.length === 1)) {
    return { ...found, enum: choices.map((choice) => choice.const ?? choice.enum[0]) };
  }
  const type = Array.isArray(found.type) ? found.type.find((name) => name !== 'null') : found.type;
  return { ...found, type };
}

/** The value of a JSON text. A number that JavaScript would round is an error. */
function jsonOf(raw) {
  const exact = (_, value) => {
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new Error(TOO_LARGE);
    return value;
  };
  try { return JSON.parse(raw, exact); } catch (error) { throw error.message === TOO_LARGE ? error : new Error('expected JSON'); }
}

/** The value of a text in a form, or an error. `undefined`: left out. */
function valueOf(schema, raw, required, root) {
  if (schema.type === 'boolean' && typeof raw !== 'string') return !!(raw ?? schema.default);
  if (raw === undefined || raw === '') {
    if (required && schema.type === 'string' && !schema.enum) return '';
    if (required) throw new Error('is missing');
    return undefined;
  }
  if (schema.enum) return schema.enum.find((choice) => String(choice) === raw);
  if (schema.type === 'string') return raw;
  if (schema.type === 'boolean') {
    if (raw !== 'true' && raw !== 'false') throw new Error('expected true or false');
    return raw === 'true';
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    const parsed = Number(raw);
    if (!raw.trim() || !isFinite(parsed) || (schema.type === 'integer' && !Number.isInteger(parsed))) throw new Error(`expected ${schema.type === 'integer' ? 'a whole number' : 'a number'}`);
    if (schema.type === 'integer' && !Number.isSafeInteger(parsed)) throw new Error(TOO_LARGE);
    return parsed;
  }
  if (schema.type === 'array' && SCALARS.includes(resolved(schema.items, root).type)) {
    return raw.split('\n').filter((line) => line !== '').map((line) => valueOf(resolved(schema.items, root), line, true, root));
  }
  return jsonOf(raw);
}

/** A field of a form, with its schema. What may be left out has a third choice beside true and false. */
function fieldOf([name, schema], root, required) {
  const found = resolved(schema, root);
  return [name, found.type === 'boolean' && !required.has(name) ? { ...found, type: undefined, enum: [true, false] } : found];
}

/** The arguments of a form, and what is wrong with each field. */
function argumentsOf(fields, raw, required, root) {
  const [found, wrong] = [[], []];
  for (const [field, schema] of fields) {
    try {
      const value = valueOf(schema, own(raw, field), required.has(field), root);
      if (value !== undefined) found.push([field, value]);
    } catch (error) { wrong.push([field, error.message]); }
  }
  return [Object.fromEntries(found), Object.fromEntries(wrong)];
}

/** The arguments of a JSON text, and what is wrong with it. */
function argumentsOfJson(raw) {
  try {
    const value = jsonOf(raw);
    if (value && typeof value === 'object' && !Array.isArray(value)) return [value, {}];
    throw new Error('expected an object');
  } catch (error) { return [{}, { arguments: error.message }]; }
}

function Field({ name, schema, required, raw, set, error, root }) {
  const id = `field-${name}`;
  const shared = { id, 'aria-describedby': `${id}-help`, 'aria-invalid': error ? 'true' : undefined, required: required && schema.type !== 'boolean' };
  const isList = schema.type === 'array' && SCALARS.includes(resolved(schema.items, root).type);
  const input = schema.type === 'boolean' ? html`<input type="checkbox" ...${shared} checked=${!!(raw ?? schema.default)} onChange=${(e) => set(e.target.checked)} />`
    : schema.enum ? html`<select ...${shared} value=${raw ?? ''} onChange=${(e) => set(e.target.value)}><option value="">${required ? 'choose' : 'left out'}</option>${schema.enum.filter((choice) => choice !== null).map((choice) => html`<option value=${String(choice)}>${String(choice)}</option>`)}</select>`
    : schema.type === 'integer' || schema.type === 'number' ? html`<input inputmode="decimal" ...${shared} value=${raw ?? ''} onInput=${(e) => set(e.target.value)} />`
    : schema.type === 'string' ? html`<input ...${shared} type=${schema.writeOnly || schema['x-secret'] || schema.secret ? 'password' : 'text'} autocomplete="off" value=${raw ?? ''} onInput=${(e) => set(e.target.value)} />`
    : html`<textarea ...${shared} rows="3" value=${raw ?? ''} onInput=${(e) => set(e.target.value)} placeholder=${isList ? 'one in a line' : 'JSON'}></textarea>`;
  return html`<div class=${`field ${schema.type === 'boolean' ? 'inline' : ''}`}><label for=${id}>${name} ${!required && html`<small>optional</small>`}</label>${input}
    <small id=${`${id}-help`} class=${error ? 'bad-text' : ''}>${error ?? text(schema.description)}${!error && schema.default !== undefined && schema.default !== null ? ` Default: ${text(schema.default)}.` : ''}</small></div>`;
}

/** A result as a table if it is a page or an object of scalars, else as JSON. */
export function Result({ value }) {
  const items = Array.isArray(value?.items) ? value.items : Array.isArray(value) ? value : null;
  if (items?.length && items.every((item) => item && typeof item === 'object' && !Array.isArray(item))) {
    const columns = [...new Set(items.flatMap(Object.keys))].slice(0, 8);
    return html`<div class="scroll"><table role="table"><${Heads} names=${columns} />
      <tbody role="rowgroup">${items.slice(0, 500).map((item) => html`<tr role="row">${columns.map((name) => html`<td role="cell" data-label=${name}>${text(own(item, name))}</td>`)}</tr>`)}</tbody></table></div>
      ${value.next !== null && value.next !== undefined && html`<p class="quiet">To go on from here, ask with after ${text(value.next)}.</p>`}`;
  }
  if (value && typeof value === 'object' && !Array.isArray(value) && Object.values(value).every((part) => part === null || typeof part !== 'object')) {
    return html`<dl class="result">${Object.entries(value).map(([name, part]) => html`<dt>${name}</dt><dd>${text(part)}</dd>`)}</dl>`;
  }
  return html`<pre class="code" tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;
}

/** A job that a call has begun: how far it is until it ends, then its result. */
export function Job({ app, id }) {
  const [job, setJob] = useState({ state: 'running' });
  useEffect(() => {
    let stopped = false;
    let timer = null;
    const look = async () => {
      let runs = true;
      if (!document.hidden) {
        const { ok, body } = await ask(appPath(app, 'call'), { service: '0x0', name: 'job', arguments: { id }, reason: '' });
        if (stopped) return;
        setJob((old) => (ok ? body : { ...old, error: body.error }) ?? {});
        runs = ok ? body?.state === 'running' : ['unknown', 'not_reached'].includes(body.kind);
      }
      if (runs) timer = setTimeout(look, LOOK_AT_JOB_MILLIS);
    };
    look();
    return () => { stopped = true; clearTimeout(timer); };
  }, [app, id]);
  const { state, progress, result, error } = job;
  return html`<div class="job"><p role="status">Job <code>${id}</code> <${Chip} state=${text(state)} /> ${progress && html`${number(progress.done)}${progress.total !== undefined && ` of ${number(progress.total)}`} ${text(progress.text)}`}</p>
    ${error && html`<div class="note bad" role="alert">${text(error)}</div>`}
    ${result !== undefined && html`<${Result} value=${result} />`}
    ${state === 'running' && html`<p class="quiet">It goes on if you leave this page. To cancel it, give its id to cancel-job on the page <a href=${href(app, 'operations')}>Operations</a>.</p>`}</div>`;
}

function Operation({ app, operation, role }) {
  const [schemas, setSchemas] = useState(null);
  const [raw, setRaw] = useState({});
  // All arguments as JSON. Null: the fields count. Undefined: as it fits the schema.
  const [chosenJson, setJson] = useState();
  const [call] = useState(() => caller(app));
  const [reason, setReason] = useState('');
  const [sure, setSure] = useState(false);
  const [errors, setErrors] = useState({});
  const [state, setState] = useState({});
  const { service, name, effect } = operation;
  useEffect(() => {
    ask(appPath(app, `operation?service=${encodeURIComponent(service)}&name=${encodeURIComponent(name)}`)).then(({ ok, body }) => setSchemas(ok ? body : { problem: body }));
  }, []);
  if (!schemas) return html`<${Loading} />`;
  if (schemas.problem) return html`<div class="note bad" role="alert">${text(schemas.problem.error)}</div>`;
  const root = schemas.arguments && typeof schemas.arguments === 'object' ? schemas.arguments : {};
  const top = resolved(root, root);
  const required = new Set(Array.isArray(top.required) ? top.required : []);
  const fields = Object.entries(top.properties ?? {}).map((entry) => fieldOf(entry, root, required));
  // Such a schema allows arguments that are no fields.
  const isOpen = !!(top.additionalProperties || top.patternProperties || top.oneOf || top.anyOf || top.allOf);
  const json = chosenJson === undefined && isOpen ? '{}' : chosenJson ?? null;
  const lacks = lacking(role, operation.role);
  const isJob = state.ok && operation.job === true && !!state.body?.job;
  const submit = async (event) => {
    event.preventDefault();
    const [given, wrong] = json === null ? argumentsOf(fields, raw, required, root) : argumentsOfJson(json);
    setErrors(wrong);
    if (Object.keys(wrong).length) return;
    setState({ busy: true });
    const began = performance.now();
    const { ok, body } = await call({ service, name, arguments: given, reason: effect === 'reads' ? '' : reason, confirmed: sure });
    setState({ ok, body, took: (performance.now() - began) / 1000 });
  };
  return html`<form class="operation" onSubmit=${submit}>
    ${json !== null ? html`<${Field} name="arguments" schema=${{ description: 'All arguments, as a JSON object.' }} required raw=${json} error=${own(errors, 'arguments')} root=${root} set=${setJson} />`
      : fields.map(([field, schema]) => html`<${Field} key=${field} name=${field} schema=${schema} required=${required.has(field)} raw=${own(raw, field)} error=${own(errors, field)} root=${root} set=${(value) => setRaw({ ...raw, [field]: value })} />`)}
    ${fields.length > 0 && html`<p><button type="button" class="link" onClick=${() => { setErrors({}); setJson(json === null ? '{}' : null); }}>${json === null ? 'Give all arguments as JSON' : 'Give the arguments one by one'}</button></p>`}
    ${effect !== 'reads' && html`<label class="field"><span>Reason <small>for the log of the app</small></span><input value=${reason} required maxlength="1024" onInput=${(e) => setReason(e.target.value)} /></label>`}
    ${effect === 'destroys' && html`<label class="check"><input type="checkbox" checked=${sure} required onChange=${(e) => setSure(e.target.checked)} /> I know that this cannot be undone</label>`}
    <div class="buttons"><button class=${effect === 'destroys' ? 'danger' : 'primary'} disabled=${state.busy || !!lacks}>${state.busy ? 'Asking…' : effect === 'reads' ? 'Ask' : 'Do it'}</button>
      ${lacks && html`<small class="lacks">${lacks}</small>`}</div>
    ${state.body !== undefined && (state.ok
      ? html`<div class="answer" role="status"><p class="quiet">${isJob ? 'Begun' : 'Answered'} after ${duration(state.took)}.</p>${isJob ? html`<${Job} key=${state.body.job} app=${app} id=${text(state.body.job)} />` : html`<${Result} value=${state.body} />`}</div>`
      : html`<div class="note bad" role="alert">${state.body.kind === 'denied' ? 'Denied. ' : ''}${text(state.body.error)}</div>`)}</form>`;
}

function Stacks({ app, role }) {
  const [state, setState] = useState({});
  const show = async () => {
    setState({ busy: true });
    const { ok, body } = await ask(appPath(app, 'stacks'), {});
    setState(ok ? { text: text(body.text) } : { error: body.error });
  };
  return html`<div class="buttons"><${Action} role=${role} needs="operate" onClick=${show}>${state.busy ? 'Asking…' : 'Show the stacks'}<//></div>
    ${state.error && html`<div class="note bad" role="alert">${text(state.error)}</div>`}
    ${state.text && html`<pre class="code" tabindex="0" role="status">${state.text}</pre>`}`;
}

function Levels({ levels }) {
  if (!levels) return html`<${Loading} />`;
  if (levels.error) return html`<p class="quiet">${text(levels.error)}</p>`;
  const line = (name, setting) => html`<dt>${name}</dt><dd>${text(setting?.level)}${setting?.expires_in_seconds ? `, for another ${duration(setting.expires_in_seconds)}` : ''}</dd>`;
  return html`<dl class="result">${line('the app', levels.app)}${(levels.services ?? []).map((of) => line(text(of.name) || text(of.service), of))}</dl>`;
}

export function OperationsPage({ app, row, data }) {
  const [open, setOpen] = useState(null);
  const [dialog, setDialog] = useState(null);
  const [wanted, setWanted] = useState('');
  const { role } = row;
  const answer = data.operations;
  const all = Array.isArray(answer?.operations) ? answer.operations : [];
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter((operation) => words.every((word) => `${operation.service_name} ${operation.name} ${operation.about}`.toLowerCase().includes(word)));
  const services = data.services?.services ?? [];
  const groups = [...new Set(found.map((operation) => text(operation.service_name)))].sort((a, b) => (a === 'app') - (b === 'app') || (a < b ? -1 : 1));
  if (row.state === 'unreachable' && !answer) return null;
  return html`<div class="columns"><${Card} title="Log levels"><${Levels} levels=${data.levels} />
      <div class="buttons"><${Action} role=${role} needs="operate" onClick=${() => setDialog('level')}>Set a level…<//></div><//>
    <${Card} title="Thread stacks"><p>The stack of every thread, and the tasks of every service. The threads stop for some milliseconds.</p><${Stacks} app=${app} role=${role} /><//>
    <${Card} title="Stop the app"><p>The app stops gracefully. What supervises it may start it again.</p>
      <div class="buttons"><${Action} role=${role} needs="admin" class="danger" onClick=${() => setDialog('stop')}>Stop…<//></div><//></div>
    <div class="filters"><h2>Operations of the services</h2>${all.length > 8 && html`<${Search} value=${wanted} onInput=${setWanted} label="Find an operation" />`}</div>
    ${!answer ? html`<${Loading} />` : answer.error ? html`<div class="card"><${Empty} title=${answer.kind === 'too_old' ? 'The app is too old' : 'Not available'}>${answer.kind === 'too_old' ? 'It does not know operations. They come with a newer release of the platform.' : text(answer.error)}<//></div>`
      : !all.length ? html`<div class="card"><${Empty} title="No operations">A service declares one with <code>operation!</code>; then it has a form here.<//></div>`
      : groups.map((group) => html`<${Card} title=${group}><ul class="operations">${found.filter((operation) => text(operation.service_name) === group).map((operation) => {
        const key = `${operation.service} ${operation.name}`;
        const lacks = lacking(role, operation.role);
        return html`<li><button type="button" class="operation-head" aria-expanded=${open === key} onClick=${() => setOpen(open === key ? null : key)}>
          <span><b>${text(operation.name)}</b><span>${text(operation.about)}</span></span>
          <span class="badges"><span class=${`badge ${operation.effect === 'destroys' ? 'bad' : operation.effect === 'changes' ? 'strong' : ''}`}>${Object.hasOwn(EFFECTS, operation.effect) ? EFFECTS[operation.effect] : text(operation.effect)}</span>
            <span class="badge">${lacks ?? `role ${text(operation.role)}`}</span></span></button>
          ${open === key && html`<${Operation} app=${app} operation=${operation} role=${role} />`}</li>`;
      })}</ul><//>`)}
    ${dialog === 'level' && html`<${LevelDialog} app=${app} services=${services} onDone=${() => setDialog(null)} />`}
    ${dialog === 'stop' && html`<${ChangeDialog} app=${app} title=${`Stop ${text(row.name) || app}?`} button="Stop the app" said="The app stops now." destroys onDone=${() => setDialog(null)} change=${() => ({ change: 'stop' })}><p>${text(row.name)} on ${text(row.host)}, pid ${text(row.pid)}.</p><//>`}`;
}
