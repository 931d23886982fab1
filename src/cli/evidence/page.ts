import type { EvidencePack, EvidenceUsage } from '../../client/index.ts';
import type { Framework } from '../../domain/controls.ts';
import { isJsonObject } from '../../domain/json.ts';
import type { Json } from '../../domain/json.ts';
import { html, page } from '../html.ts';
import type { Html } from '../html.ts';
import { isOverdue, isUnused, witnesses } from './judge.ts';
import type { ControlEvidence } from './judge.ts';
import { cutsOf, LIMITS } from './limits.ts';

/** An evidence pack for print. */
export function evidencePage(
  framework: Framework,
  pack: EvidencePack,
  controls: readonly ControlEvidence[],
  now: Date,
): string {
  const span = `${pack.from ?? 'the beginning'} to ${pack.to ?? 'now'}`;
  const complete = controls.filter(({ missing }) => missing.length === 0).length;
  const body = html`<h1>Evidence: ${framework.title}</h1>
    <p class="soft">
      ${span}. Made ${now.toISOString()} from ${pack.range.end - pack.range.first} events (leaves ${pack.range.first} to
      ${pack.range.end}) under the checkpoint below. Mapping ${framework.framework}, version ${framework.version}.
    </p>
    <p>
      ${complete} of ${controls.length} controls have everything that the mapping expects; what is missing stands with
      each. Nothing here is a judgement that a control is met: that is the auditor's.
    </p>
    ${cutsOf(pack).map((cut) => html`<p class="note">${cut}</p>`)}
    <h2>At a glance</h2>
    <table>
      <thead>
        <tr>
          <th>control</th>
          <th>what Writ has to show for it</th>
          <th class="n">policies</th>
          <th class="n">events</th>
          <th>missing</th>
        </tr>
      </thead>
      <tbody>
        ${controls.map(glance)}
      </tbody>
    </table>
    <h2>Controls</h2>
    ${controls.map((control) => controlPiece(control, pack))}
    <h2>Granted and used</h2>
    ${usage(pack)}
    <h2>Exceptions</h2>
    ${exceptions(pack, now)}
    <h2>What is offered</h2>
    ${profiles(pack)}
    <h2>What this cannot show</h2>
    <ul>
      ${[...framework.cannot, ...LIMITS].map((limit) => html`<li>${limit}</li>`)}
    </ul>
    <h2>How to check it</h2>
    <p>
      ${pack.log['signed'] === true ? 'The log is signed.' : 'The log is not signed.'} ${witnesses(pack)} witnesses keep
      its checkpoints. Each sample below leads, by its path, to the root of this checkpoint (RFC 6962 §2.1.1); the
      checkpoint is a signed note, to be held against a key that you have from elsewhere.
    </p>
    <pre>${pack.checkpoint.checkpoint}</pre>
    <p class="soft">Key as the broker gives it: <code>${pack.checkpoint.key}</code></p>
    <h2>Samples</h2>
    ${pack.samples.map(
      ({ leaf, body: event, path }) =>
        html`<div class="step" id="leaf-${leaf}">
          <h3>leaf ${leaf}</h3>
          <pre>${event}</pre>
          <p>
            <small>path: <code>${path.join(' ')}</code></small>
          </p>
        </div>`,
    )}`;
  return page(`Evidence: ${framework.title}`, body);
}

function glance({ id, about, policies, events, missing }: ControlEvidence): Html {
  const state =
    missing.length === 0
      ? html`<span class="tag good">nothing</span>`
      : html`<span class="tag bad">${missing.length}</span>`;
  return html`<tr>
    <td class="key">${id}</td>
    <td>${about}</td>
    <td class="n">${policies.length}</td>
    <td class="n">${total(events)}</td>
    <td>${state}</td>
  </tr>`;
}

const total = (counts: readonly { readonly count: number }[]) => counts.reduce((sum, { count }) => sum + count, 0);

function controlPiece(control: ControlEvidence, pack: EvidencePack): Html {
  const shown = new Set(pack.samples.map(({ leaf }) => leaf));
  const link = (leaf: number) => (shown.has(leaf) ? html`<a href="#leaf-${leaf}">${leaf}</a>` : html`${leaf}`);
  return html`<h3>
      ${control.id}${control.aliases.length > 0 ? html` <span class="soft">(also ${control.aliases.join(', ')})</span>` : ''}
    </h3>
    <p>${control.about}</p>
    ${control.policies.length > 0 ? html`<p><strong>Configured.</strong></p>` : ''}
    ${control.policies.map(
      ({ file, text }) =>
        html`<p class="soft"><code>${file}</code></p>
          <pre>${text}</pre>`,
    )}
    ${control.decided.length > 0 ? html`<p class="soft">These were among those that decided ${total(control.decided)} times.</p>` : ''}
    ${
      control.events.length > 0
        ? html`<p><strong>Happened.</strong></p>
            <table>
              <thead>
                <tr>
                  <th>event</th>
                  <th>outcome</th>
                  <th class="n">count</th>
                  <th>first and last leaf</th>
                </tr>
              </thead>
              <tbody>
                ${control.events.map(
                  (each) =>
                    html`<tr>
                      <td><code>${each.type}</code></td>
                      <td>${outcome(each)}</td>
                      <td class="n">${each.count}</td>
                      <td>${link(each.first)}${each.last === each.first ? '' : html`, ${link(each.last)}`}</td>
                    </tr>`,
                )}
              </tbody>
            </table>`
        : ''
    }
    ${control.shows.length > 0 ? html`<p class="soft">See also: ${control.shows.map((each) => SECTIONS[each]).join(', ')}.</p>` : ''}
    ${control.missing.map((each) => html`<p><span class="tag bad">missing</span> ${each}</p>`)}
    ${control.cannot === undefined ? '' : html`<p class="soft"><em>Not from here:</em> ${control.cannot}</p>`}`;
}

const SECTIONS = {
  profiles: 'What is offered',
  exceptions: 'Exceptions',
  usage: 'Granted and used',
  log: 'How to check it',
} as const;

function outcome({ success, outcome: said, code }: ControlEvidence['events'][number]): string {
  return [said ?? (success ? 'success' : 'failure'), ...(code === null ? [] : [`(${code})`])].join(' ');
}

function usage({ usage: rows }: EvidencePack): Html {
  if (rows.length === 0) return html`<p class="soft">Nothing was granted in this span.</p>`;
  return html`<p>
      Grants handed out in this span, and what is known of their use: calls that were asked about first, and renewals.
    </p>
    <table>
      <thead>
        <tr>
          <th>workload</th>
          <th>profile</th>
          <th class="n">granted</th>
          <th class="n">with a call</th>
          <th class="n">renewed</th>
          <th class="n">calls</th>
          <th class="n">minutes granted</th>
          <th></th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(usageRow)}
      </tbody>
    </table>`;
}

function usageRow(row: EvidenceUsage): Html {
  const minutes = Math.round(row.granted_seconds / 60);
  return html`<tr>
    <td>${row.subject}<br /><small>${row.trust}</small></td>
    <td>${row.profile}</td>
    <td class="n">${row.grants}</td>
    <td class="n">${row.called}</td>
    <td class="n">${row.renewed}</td>
    <td class="n">${row.calls}</td>
    <td class="n">${minutes}</td>
    <td>${isUnused(row) ? html`<span class="tag bad">no use known</span>` : ''}</td>
  </tr>`;
}

function exceptions({ exceptions: rows }: EvidencePack, now: Date): Html {
  if (rows.length === 0) return html`<p class="soft">None stood in this span.</p>`;
  return html`<table>
    <thead>
      <tr>
        <th>exception</th>
        <th>of</th>
        <th>reason</th>
        <th>asked by</th>
        <th>answered by</th>
        <th>state</th>
        <th>from, until</th>
        <th>review</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map((row) => {
        const review = row['reviewed_at']
          ? `${shown(row['reviewed_at'])} by ${person(row['reviewed_by'])}: ${shown(row['review_note'])}`
          : `due ${shown(row['review_by'])}`;
        return html`<tr>
          <td><code>${shown(row['id'])}</code></td>
          <td>${shown(row['profile'] ?? row['tool'])}<br /><small>${shown(row['policies'])}</small></td>
          <td>${shown(row['reason'])}</td>
          <td>${person(row['author'])}</td>
          <td>${person(row['answered_by'])}<br /><small>${shown(row['answer_reason'])}</small></td>
          <td>${shown(row['state'])}</td>
          <td>
            <span class="time">${shown(row['starts_at'])}</span><br /><span class="time">${shown(row['ends_at'])}</span>
          </td>
          <td>${review}${isOverdue(row, now) ? html` <span class="tag bad">overdue</span>` : ''}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

function profiles({ profiles: rows, generations }: EvidencePack): Html {
  const last = generations.at(-1);
  return html`<p class="soft">
      ${generations.length} sets of rules decided in this span; these are the profiles of the
      last${last ? html`, generation ${last.number} (<code>${last.hash}</code>) by ${person(last.author)}` : ''}.
    </p>
    <table>
      <thead>
        <tr>
          <th>profile</th>
          <th>provider</th>
          <th>owner</th>
          <th>environment</th>
          <th>effect</th>
          <th class="n">longest life, seconds</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              <td>${row.name}</td>
              <td>${row.provider}</td>
              <td>${row.owner}</td>
              <td>${row.environment}</td>
              <td>${row.effect}</td>
              <td class="n">${row.max_ttl_seconds}</td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

function person(actor: Json | undefined): string {
  return isJsonObject(actor) ? `${shown(actor['subject'])} at ${shown(actor['issuer'])}` : '-';
}

function shown(value: Json | undefined): string {
  if (value === undefined || value === null) return '-';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
