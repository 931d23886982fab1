import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Document, Node } from 'yaml';
import type { Json } from '../domain/json.ts';
import type { Problem } from '../domain/problem.ts';

/** Where a value stands in a document: member names and indexes. */
export type Path = readonly (string | number)[];

/** A YAML document as plain data, with what is needed to say where a value stands. */
export interface YamlFile {
  readonly file: string;
  /** `null` for an empty document; undefined when it cannot be read, which is then among the problems. */
  readonly value: Json | undefined;
  /** What is wrong with it as YAML. */
  readonly problems: readonly Problem[];
  /** The 1-based line of a value, or of the nearest thing around it that exists. */
  lineOf(path: Path): number;
  /** A problem with the value at a path: the path leads the message. */
  problem(path: Path, message: string): Problem;
}

/**
 * Reads one YAML 1.2 document, strictly: the core schema, no second document, no duplicate members, no anchors, aliases,
 * merges or tags, no numbers that a double cannot hold. What two readers could understand differently is a problem.
 */
export function readYaml(file: string, text: string): YamlFile {
  const lines = new LineCounter();
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, schema: 'core', version: '1.2' });
  const problems: Problem[] = [
    ...[...document.errors, ...document.warnings].map(({ pos, message }) => ({ file, line: lineAt(pos[0]), message })),
    ...oddities(document).map(({ offset, message }) => ({ file, line: lineAt(offset), message })),
  ];
  const lineOf = (path: Path) => lineAt(nearest(document, path)?.range?.[0] ?? 0);
  return {
    file,
    value: problems.length > 0 ? undefined : toJson(document.contents),
    problems,
    lineOf,
    problem: (path, message) => ({ file, line: lineOf(path), message: `${formatPath(path)} ${message}`.trim() }),
  };
}

/** `trust[0].bundle.file`; nothing for the document itself. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

interface Oddity {
  readonly offset: number;
  readonly message: string;
}

function oddities(document: Document): Oddity[] {
  const found: Oddity[] = [];
  visit(document, {
    Node: (_, node) => {
      const message = oddityOf(node);
      if (message !== undefined) found.push({ offset: node.range?.[0] ?? 0, message });
    },
    Pair: (_, { key }) => {
      const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0;
      if (!isScalar(key) || typeof key.value !== 'string')
        found.push({ offset, message: 'a member name must be text' });
      else if (REFUSED_NAMES.has(key.value)) found.push({ offset, message: `"${key.value}" is no member name here` });
    },
  });
  return found;
}

/** `__proto__` is dropped by what comes after (zod's records); `<<` merges elsewhere. */
const REFUSED_NAMES = new Set(['__proto__', '<<']);

function oddityOf(node: Node): string | undefined {
  if (isAlias(node)) return 'aliases are not taken here: write the value out';
  if (node.tag !== undefined) return `tags such as ${node.tag} are not taken here`;
  if (node.anchor !== undefined) return 'anchors are not taken here: write the value out';
  if (isScalar(node) && typeof node.value === 'number' && !exact(node.value)) {
    return 'a number that cannot be kept exactly: quote it';
  }
  return undefined;
}

const exact = (value: number) => Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));

function toJson(node: unknown): Json {
  if (isMap(node)) return Object.fromEntries(node.items.map(({ key, value }) => [keyText(key), toJson(value)]));
  if (isSeq(node)) return node.items.map(toJson);
  if (!isScalar(node)) return null;
  const { value } = node;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

const keyText = (key: unknown) => (isScalar(key) && typeof key.value === 'string' ? key.value : '');

/** The node at a path, else the member name that leads to it, else the nearest node around. */
function nearest(document: Document, path: Path): Node | undefined {
  let node: unknown = document.contents;
  let best: unknown = node;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => keyText(key) === String(step));
      if (!pair) break;
      best = pair.key;
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(step)];
      if (item === undefined) break;
      best = item;
      node = item;
    } else break;
  }
  return isNode(best) ? best : undefined;
}
