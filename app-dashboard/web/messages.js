// Streams, consumers and dead letters of an app, by the operations of its messaging service.

import { Action, Ago, Card, ChangeDialog, Chip, Empty, Heads, Loading, Old, Problem, Select, html, useEffect, useKnown, useRef, useState } from './ui.js';
import { Job } from './operations.js';
import { ask, appPath } from './net.js';
import { bytes, count, number, text } from './format.js';

const MESSAGING = '0xe5fd6a364d10d023';
const LOOK_MILLIS = 3000;
const PAGE_LETTERS = 50;

const listOf = (list) => (Array.isArray(list) ? list.filter((item) => item && typeof item === 'object') : []);
const callOf = (name, args) => ({ service: MESSAGING, name, arguments: args });

/** The answer to an operation that reads: asked anew when `again` changes, and all the time if `every` says so. */
function useReading(app, name, args, again, every) {
  const [answer, setAnswer] = useState(null);
  const asked = JSON.stringify(args);
  useEffect(() => {
    let stopped = false;
    let timer = null;
    const look = async () => {
      if (!document.hidden) {
        const { ok, body } = await ask(appPath(app, 'call'), { ...callOf(name, args), reason: '' });
        if (stopped) return;
        setAnswer(ok ? { asked, body } : { asked, problem: body });
      }
      if (every) timer = setTimeout(look, every);
    };
    if (args) look();
    return () => { stopped = true; clearTimeout(timer); };
  }, [app, name, asked, again]);
  return answer?.asked === asked ? answer : null;
}

function StreamTable({ streams }) {
  return html`<div class="scroll"><table role="table"><${Heads} names=${['Stream', 'Messages', 'Size', 'Dead letters']} /><tbody role="rowgroup">${streams.map((stream) => html`<tr role="row">
    <td role="cell" data-label="Stream">${text(stream.stream)}</td><td role="cell" data-label="Messages">${number(stream.messages)}</td><td role="cell" data-label="Size">${bytes(stream.bytes)}</td>
    <td role="cell" data-label="Dead letters">${stream.problem ? text(stream.problem) : stream.dead_letters > 0 ? html`<${Chip} state="warn" label=${number(stream.dead_letters)} />` : '0'}</td></tr>`)}</tbody></table></div>`;
}

function ConsumerState({ consumer }) {
  if (consumer.paused) return html`<${Chip} state="paused" /> <small>${text(consumer.paused)}</small>`;
  if (consumer.runs_here) return html`<${Chip} state="running" />`;
  return html`<${Chip} state="unknown" label="Not here" /> <small>another app has it, or no code knows it</small>`;
}

function ConsumerTable({ consumers, role, open }) {
  return html`<div class="scroll"><table role="table"><${Heads} names=${['Consumer', 'Waiting', 'In flight', 'Retries', 'Replays', 'State', '']} /><tbody role="rowgroup">${consumers.map((consumer) => {
    const name = text(consumer.consumer);
    return html`<tr role="row" key=${name}><td role="cell" data-label="Consumer" class="wide"><b>${name}</b><br /><small>${text(consumer.stream)}${listOf(consumer.messages).length || consumer.messages?.length ? `: ${consumer.messages.map(text).join(', ')}` : ''}${consumer.partitions > 1 ? `, ${consumer.partitions} partitions` : ''}</small></td>
    <td role="cell" data-label="Waiting">${number(consumer.pending)}</td><td role="cell" data-label="In flight">${number(consumer.ack_pending)}</td><td role="cell" data-label="Retries">${number(consumer.retries)}</td><td role="cell" data-label="Replays">${number(consumer.replays)}</td>
    <td role="cell" data-label="State"><${ConsumerState} consumer=${consumer} /></td>
    <td role="cell" data-label="">${consumer.paused
      ? html`<${Action} role=${role} needs="operate" label=${`Resume ${name}`} onClick=${() => open('resume-consumer', { consumer: name })}>Resume…<//>`
      : html`<${Action} role=${role} needs="operate" label=${`Pause ${name}`} onClick=${() => open('pause-consumer', { consumer: name })}>Pause…<//>`}</td></tr>`;
  })}</tbody></table></div>`;
}

function LetterContent({ app, stream, letter }) {
  const answer = useReading(app, 'dead-letter', { stream, number: letter }, 0, 0);
  if (!answer) return html`<${Loading} />`;
  if (answer.problem) return html`<${Problem} problem=${answer.problem} what="The letter" />`;
  const { content, hidden, headers } = answer.body;
  return html`${hidden ? html`<p class="note warn">Its content can't be shown: ${text(hidden)}</p>` : html`<pre class="code" tabindex="0">${JSON.stringify(content, null, 2)}</pre>`}
    <details><summary>Headers</summary><dl class="result">${Object.entries(headers ?? {}).map(([name, value]) => html`<dt>${name}</dt><dd>${text(value)}</dd>`)}</dl></details>`;
}

function Letter({ app, stream, item, role, open }) {
  const [shows, setShows] = useState(false);
  const args = { stream, number: item.number };
  return html`<li class="check"><div class="check-head"><div><h3>${text(item.message)} ${text(item.sequence)}</h3>
      <p class="facts"><span>letter ${text(item.number)}</span><span><${Ago} at=${item.at_millis} /></span><span>${text(item.consumer)}</span><span>${count(item.attempts, 'attempt')}</span>${item.round > 0 && html`<span>replayed before</span>`}</p></div></div>
    <p>${text(item.reason)}</p>
    <div class="buttons"><${Action} role=${role} needs="operate" quiet label=${`${shows ? 'Hide' : 'Show'} letter ${item.number}`} onClick=${() => setShows(!shows)}>${shows ? 'Hide' : 'Show'}<//>
      <${Action} role=${role} needs="operate" quiet label=${`Replay letter ${item.number}`} onClick=${() => open('replay-dead-letter', args)}>Replay…<//>
      <${Action} role=${role} needs="operate" class="danger" label=${`Drop letter ${item.number}`} onClick=${() => open('drop-dead-letter', args)}>Drop…<//></div>
    ${shows && html`<${LetterContent} app=${app} stream=${stream} letter=${item.number} />`}</li>`;
}

function DeadLetters({ app, streams, role, open, again }) {
  const [wanted, setWanted] = useState(null);
  const [after, setAfter] = useState(0);
  const first = streams.find((stream) => stream.dead_letters > 0) ?? streams[0];
  const stream = text(wanted ?? first?.stream);
  const of = streams.find((one) => one.stream === stream);
  // A letter that comes or goes is seen by their number.
  const answer = useReading(app, 'dead-letters', stream ? { stream, after, limit: PAGE_LETTERS } : null, `${again} ${of?.dead_letters}`, 0);
  const last = useRef(null);
  if (answer) last.current = answer;
  const shown = answer ?? last.current;
  const items = listOf(shown?.body?.items);
  return html`<${Card} title="Dead letters" aside=${streams.length > 1 && html`<${Select} label="Stream" value=${stream} onChange=${(name) => { setWanted(name); setAfter(0); }}>${streams.map((one) => html`<option value=${text(one.stream)}>${text(one.stream)} (${number(one.dead_letters)})</option>`)}<//>`}>
    ${!shown ? html`<${Loading} />` : shown.problem ? html`<${Problem} problem=${shown.problem} what="The list" />` : !items.length ? html`<${Empty} title="No dead letters">What a consumer gives up is kept here, with the reason.<//>`
      : html`<ul class="checks">${items.map((item) => html`<${Letter} key=${item.number} app=${app} stream=${stream} item=${item} role=${role} open=${open} />`)}</ul>`}
    <div class="buttons">${after > 0 && html`<button type="button" onClick=${() => setAfter(0)}>Oldest</button>`}
      ${shown?.body?.next && html`<button type="button" onClick=${() => setAfter(shown.body.next)}>Next ${PAGE_LETTERS}</button>`}
      ${items.length > 0 && html`<${Action} role=${role} needs="operate" quiet onClick=${() => open('replay-dead-letters', { stream })}>Replay all…<//><${Action} role=${role} needs="operate" class="danger" onClick=${() => open('drop-dead-letters', { stream })}>Drop all…<//>`}</div><//>`;
}

/** Each change: what it asks, the word of its button, and what it means. */
const MESSAGE_CHANGES = {
  'pause-consumer': [(args) => `Pause ${args.consumer}?`, 'Pause', 'It stays paused in every instance until it is resumed. Its messages wait in the stream.'],
  'resume-consumer': [(args) => `Resume ${args.consumer}?`, 'Resume', 'It goes on in every instance.'],
  'replay-dead-letter': [(args) => `Replay letter ${args.number} of ${args.stream}?`, 'Replay', 'Its consumer gets the message again, and the letter goes. If it fails again, there is a new letter.'],
  'drop-dead-letter': [(args) => `Drop letter ${args.number} of ${args.stream}?`, 'Drop', 'The message is lost.'],
  'replay-dead-letters': [(args) => `Replay all letters of ${args.stream}?`, 'Replay all', 'A job hands them to their consumers again, oldest first.'],
  'drop-dead-letters': [(args) => `Drop all letters of ${args.stream}?`, 'Drop all', 'A job drops them. The messages are lost.'],
};

export function MessagesPage({ app, row }) {
  const [dialog, setDialog] = useState(null);
  const [again, setAgain] = useState(0);
  const answer = useReading(app, 'consumers', {}, again, LOOK_MILLIS);
  const known = useKnown(answer?.body);
  if (!answer) return row.state === 'unreachable' ? null : html`<${Loading} />`;
  if (!known) return html`<${Problem} problem=${answer.problem ?? {}} what="Messaging" />`;
  const streams = listOf(known.streams);
  const consumers = listOf(known.consumers);
  const open = (name, args) => setDialog({ name, args });
  const [title, button, about] = (dialog && MESSAGE_CHANGES[dialog.name]) ?? [];
  const isJob = dialog?.name.endsWith('letters');
  return html`<${Old} problem=${answer.problem?.error} /><${Card} title="Consumers">${consumers.length ? html`<${ConsumerTable} consumers=${consumers} role=${row.role} open=${open} />` : html`<${Empty} title="No consumers">No service reads a stream.<//>`}
      ${known.left_out > 0 && html`<p class="quiet">${number(known.left_out)} more are not shown.</p>`}<//>
    ${streams.length > 0 && html`<${Card} title="Streams"><${StreamTable} streams=${streams} /><//><${DeadLetters} app=${app} streams=${streams} role=${row.role} open=${open} again=${again} />`}
    ${dialog && html`<${ChangeDialog} app=${app} calls title=${title(dialog.args)} button=${button} destroys=${dialog.name.startsWith('drop')} onDone=${() => { setDialog(null); setAgain(again + 1); }}
      said=${isJob ? 'The job has begun.' : 'Done.'} answer=${(body) => isJob && html`<${Job} app=${app} id=${text(body?.job)} />`} change=${() => callOf(dialog.name, dialog.args)}><p>${about}</p><//>`}`;
}
