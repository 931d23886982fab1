import type { TaskTimeline, TimelineHop } from '../../client/index.ts';
import { html, page } from '../html.ts';
import type { Html } from '../html.ts';
import type { Step } from './step.ts';

/** A timeline for print. */
export function timelinePage(
  timeline: TaskTimeline,
  steps: readonly Step[],
  notes: readonly string[],
  now: Date,
): string {
  const top = timeline.hops.find(({ id }) => id === timeline.task);
  const title = `Task ${timeline.task}`;
  const numbers = new Map(timeline.hops.map(({ id }, n) => [id, n + 1]));
  const body = html`<h1>${title}</h1>
    <p>${top?.purpose ?? ''}</p>
    <p class="soft">
      Rebuilt from the record of Writ at ${now.toISOString()}. ${steps.length} steps of ${timeline.hops.length}
      ${timeline.hops.length === 1 ? 'task' : 'tasks'}.
    </p>
    ${notes.map((note) => html`<p class="note">${note}</p>`)}
    <h2>Hops</h2>
    <table>
      <thead>
        <tr>
          <th class="n">#</th>
          <th>task</th>
          <th>workload</th>
          <th>on behalf of</th>
          <th>mode, reaches</th>
          <th>from, until</th>
        </tr>
      </thead>
      <tbody>
        ${timeline.hops.map((hop, n) => hopRow(hop, n + 1))}
      </tbody>
    </table>
    <h2>Credentials</h2>
    ${timeline.credentials.length === 0 ? html`<p class="soft">None was asked of a provider.</p>` : credentials(timeline)}
    <h2>Steps</h2>
    ${steps.map((step) => stepPiece(step, step.task === undefined ? undefined : numbers.get(step.task)))}`;
  return page(title, body);
}

function hopRow(hop: TimelineHop, n: number): Html {
  const until = hop.ended_at === null ? hop.state : (hop.ended_why ?? '');
  return html`<tr>
    <td class="n">${n}</td>
    <td><code>${hop.id}</code><br />${hop.purpose}</td>
    <td>${hop.workload.id}<br /><small>${hop.workload.trust}</small></td>
    <td>${hop.on_behalf_of ?? '-'}</td>
    <td>${hop.mode}<br />${hop.environments.join(', ')}</td>
    <td><span class="time">${hop.created_at}</span><br /><span class="time">${hop.ended_at ?? ''}</span> ${until}</td>
  </tr>`;
}

function credentials(timeline: TaskTimeline): Html {
  return html`<table>
    <thead>
      <tr>
        <th>grant</th>
        <th>profile</th>
        <th>kind</th>
        <th>state</th>
        <th>known to its provider as</th>
        <th>until</th>
      </tr>
    </thead>
    <tbody>
      ${timeline.credentials.map(
        (each) =>
          html`<tr>
            <td><code>${each.grant}</code></td>
            <td>${each.profile}<br /><small>${each.provider}</small></td>
            <td>${each.kind}</td>
            <td>${each.state}</td>
            <td><code>${each.handle === null ? '-' : JSON.stringify(each.handle)}</code></td>
            <td><span class="time">${each.ended_at ?? each.expires_at}</span></td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function stepPiece(step: Step, hop: number | undefined): Html {
  const source = step.leaf === undefined ? step.kind : step.leaf === null ? 'not sealed yet' : `leaf ${step.leaf}`;
  return html`<div class="step ${step.kind}${step.failed ? ' failed' : ''}">
    <h3>${step.title}</h3>
    <p class="soft"><span class="mono">${step.at}</span> ${step.who}</p>
    <p>
      <span class="tag">${step.kind}</span>${hop === undefined ? '' : html`<span class="tag">hop ${hop}</span>`}<span
        class="tag"
        >${source}</span
      >${step.failed ? html`<span class="tag bad">refused or failed</span>` : ''}
    </p>
    <dl>
      ${step.details.map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
    ${step.policies.map(({ id, text }) => html`<pre>${text ?? `${id}: not in the text of these rules`}</pre>`)}
  </div>`;
}
