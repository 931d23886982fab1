import type { NoticeFacts } from './channels.ts';

/** Slack takes at most so many characters in one text, and so many blocks. */
const MAX_TEXT = 2_900;
const MAX_BLOCKS = 12;

/**
 * What an incoming webhook of Slack, Mattermost and their like takes. Everything that came with the request is plain text, in
 * which nothing is a link, a mention or a format: whoever asks must not be able to write what looks like somebody's answer.
 */
export function slackMessage(facts: NoticeFacts) {
  const needs = facts.needs.map(({ role, count }) => `${count} of ${role}`).join(' and ');
  const title = `Approval wanted: ${facts.kind === 'call' ? 'call' : 'issue'} ${visible(facts.resource)}`;
  const head = [
    `Requester: ${visible(`${facts.requester.trust}/${facts.requester.id}`)}`,
    ...(facts.on_behalf_of === null ? [] : [`On behalf of: ${visible(facts.on_behalf_of)}`]),
    `Owner, environment: ${visible(facts.owner)}, ${visible(facts.environment)}`,
    `Wanted: ${needs}, before ${facts.expires_at}`,
    `Approval: ${facts.id}, SHA-256 ${facts.asked_hash}`,
  ];
  return {
    text: escaped(title),
    mrkdwn: false,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: cut(title, 150), emoji: false } },
      plain(head.join('\n')),
      ...argumentBlocks(visible(JSON.stringify(facts.asked, null, 2))),
      plain(`Answer, as yourself: ${facts.url}`),
    ],
  };
}

/** Exactly what is asked; what does not fit is not left out without a word. */
function argumentBlocks(text: string) {
  const parts = Array.from({ length: Math.ceil(text.length / MAX_TEXT) }, (_, index) =>
    text.slice(index * MAX_TEXT, (index + 1) * MAX_TEXT),
  );
  const shown = parts.slice(0, MAX_BLOCKS).map(plain);
  if (parts.length <= MAX_BLOCKS) return shown;
  return [
    ...shown,
    plain(`NOT ALL IS SHOWN: ${text.length - MAX_BLOCKS * MAX_TEXT} more characters. Read the approval itself.`),
  ];
}

const plain = (text: string) => ({
  type: 'section',
  text: { type: 'plain_text', text: cut(text, 3_000), emoji: false },
});

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 3)}...` : text);

/** Slack's own three (https://docs.slack.dev/messaging/formatting-message-text): without them nothing is a mention or a link. */
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Characters that cannot be seen, or that turn the order of others round, are written out. Line ends that we made ourselves stay. */
export function visible(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) =>
    char === '\n' ? char : `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
