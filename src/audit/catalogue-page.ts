import { EVENT_GROUPS } from './catalogue/index.ts';
import type { EventType } from './catalogue/event-type.ts';

const BEGIN = '<!-- made from src/audit/catalogue/ by `npm run docs`: from here -->';
const END = '<!-- to here -->';

/** The page of events with its tables of types made anew. @throws Error where the page does not say where they go. */
export function withCatalogue(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('the page does not say where the types go');
  return `${page.slice(0, begin + BEGIN.length)}\n\n${catalogue()}\n\n${page.slice(end)}`;
}

function catalogue(): string {
  const groups = EVENT_GROUPS.map(({ title, intro, types }) =>
    [`### ${title}`, ...(intro === undefined ? [] : [intro]), table(types)].join('\n\n'),
  );
  return groups.join('\n\n');
}

function table(types: readonly EventType[]): string {
  const rows = types.map((type) => [
    code(type.type),
    type.when,
    Object.entries(type.facts)
      .map(([name, note]) => (note === '' ? code(name) : `${code(name)} (${note})`))
      .join(', '),
    type.by.join(', '),
    { yes: 'yes', no: '**no**', either: 'either' }[type.success],
    { request: 'its address', broker: 'the broker itself', either: 'either' }[type.origin],
    type.resource,
  ]);
  const head = ['type', 'when', 'facts', 'by', 'success', 'origin', '`resource` is the'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const code = (text: string) => `\`${text}\``;
