// The health checks of an app, with their last runs.

import { Action, Ago, ChangeDialog, Chip, Clock, Empty, Loading, Old, Problem, html, useKnown, useState } from './ui.js';
import { clock, duration, since, text } from './format.js';

const RUNS = 32;
const ORDER = ['unhealthy', 'unknown', 'healthy'];

const passed = (run) => run.outcome === 'passed' && !run.error;

function Strip({ runs }) {
  const failed = runs.filter((run) => !passed(run)).length;
  const cells = [...Array(Math.max(0, RUNS - runs.length)).fill(null), ...runs.slice(-RUNS)];
  const label = runs.length ? `The last ${runs.length} runs: ${runs.length - failed} passed, ${failed} failed` : 'No runs yet';
  return html`<div class="strip-box"><svg class="strip" viewBox=${`0 0 ${RUNS * 8} 26`} role="img" aria-label=${label} preserveAspectRatio="none">
    ${cells.map((run, at) => run === null
      ? html`<rect x=${at * 8 + 1} y="11" width="6" height="4" rx="1" class="none" />`
      : html`<g><title>${`${clock(run.started_at, true)}: ${text(run.outcome)} in ${duration(run.duration_seconds)}${run.error ? `. ${text(run.error)}` : ''}`}</title>
        ${passed(run) ? html`<rect x=${at * 8 + 1} y="8" width="6" height="10" rx="1.5" class="pass" />` : html`<rect x=${at * 8 + 1} y="1" width="6" height="24" rx="1.5" class="fail" />`}</g>`)}
    </svg><small>${runs.length ? `${runs.length - failed} of ${runs.length} passed` : 'no runs yet'}</small></div>`;
}

function Check({ check, role, open }) {
  const runs = Array.isArray(check.results) ? check.results : check.result ? [check.result] : [];
  const errors = runs.filter((run) => run.error).slice(-5).reverse();
  const name = text(check.name) || text(check.id);
  return html`<li class="check card"><div class="check-head">
      <div><h3>${name}</h3><p class="facts">
        ${check.critical && html`<span class="badge" title="The app is not ready while this check fails">critical</span>`}
        <span>every ${duration(check.interval_seconds)}, within ${duration(check.timeout_seconds)}</span>
        ${(check.groups ?? []).length > 0 && html`<span>counts for ${check.groups.map(text).join(', ')}</span>`}</p></div>
      <div class="states"><${Chip} state=${text(check.status)} />${check.paused && html`<${Chip} state="paused" />`}</div></div>
    <${Strip} runs=${runs} />
    ${check.problem && html`<div class=${`note ${check.status === 'unhealthy' ? 'bad' : 'warn'}`}>${text(check.problem)}</div>`}
    <p class="facts">${check.result ? html`<span>last run <${Ago} at=${check.result.started_at} />, took ${duration(check.result.duration_seconds)}</span>` : html`<span>has not run yet</span>`}
      ${check.since && html`<span>${text(check.status)} for ${since(check.since)}</span>`}
      ${check.failures > 0 && html`<span>${check.failures} failures in a row</span>`}
      ${check.paused_since && html`<span>paused for ${since(check.paused_since)}</span>`}</p>
    ${errors.length > 0 && html`<details><summary>Last errors</summary><ol class="recent">${errors.map((run) => html`<li><${Clock} at=${run.started_at} /> <span>${text(run.error)}</span></li>`)}</ol></details>`}
    <div class="buttons"><${Action} role=${role} needs="operate" quiet label=${`Run ${name} now`} onClick=${() => open('run_check', check)}>Run now…<//>
      ${check.paused ? html`<${Action} role=${role} needs="operate" label=${`Resume ${name}`} onClick=${() => open('resume_check', check)}>Resume…<//>`
        : html`<${Action} role=${role} needs="operate" label=${`Pause ${name}`} onClick=${() => open('pause_check', check)}>Pause…<//>`}</div></li>`;
}

export function HealthPage({ app, row, data }) {
  const [dialog, setDialog] = useState(null);
  const answer = data.checks;
  const known = useKnown(answer);
  if (!answer) return row.state === 'unreachable' ? null : html`<${Loading} />`;
  if (!known) return html`<${Problem} problem=${answer} what="Health" />`;
  const checks = [...(known.checks ?? [])].sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || (text(a.name) < text(b.name) ? -1 : 1));
  if (!checks.length) return html`<${Empty} title="No health checks">A service declares one with <code>health_check!</code>; then it is here.<//>`;
  const title = { run_check: 'Run', pause_check: 'Pause', resume_check: 'Resume' }[dialog?.kind];
  return html`<${Old} problem=${answer.error} /><ul class="checks">${checks.map((check) => html`<${Check} key=${check.id} check=${check} role=${row.role} open=${(kind, of) => setDialog({ kind, of })} />`)}</ul>
    ${dialog && html`<${ChangeDialog} app=${app} title=${`${title} ${text(dialog.of.name) || dialog.of.id}?`} button=${title} onDone=${() => setDialog(null)}
      change=${() => ({ change: dialog.kind, check: dialog.of.id })}>${dialog.kind === 'pause_check' && html`<p>It stays paused until it is resumed, also over restarts of its service.</p>`}<//>`}`;
}
