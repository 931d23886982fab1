import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a page has under one heading, up to the next one of any level. */
export interface Section {
  readonly heading: string;
  /** Of all tables: each row's cells, without the head. */
  readonly rows: readonly (readonly string[])[];
}

export interface Block {
  readonly language: string;
  readonly text: string;
  /** 1-based. */
  readonly line: number;
}

export const readPage = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');

/** README, CHANGELOG and everything below docs/, as paths below the root. */
export async function allPages(): Promise<string[]> {
  const entries = await readdir(join(ROOT, 'docs'), { recursive: true });
  const pages = entries.filter((entry) => entry.endsWith('.md')).map((entry) => join('docs', entry));
  return ['README.md', 'CHANGELOG.md', ...pages.sort()];
}

/** Fenced code, which may stand in a list. */
export function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm)].map((match) => ({
    language: match[2] ?? '',
    text: (match[3] ?? '').replaceAll(new RegExp(`^${match[1] ?? ''}`, 'gm'), ''),
    line: page.slice(0, match.index).split('\n').length,
  }));
}

/** The page without its code blocks: a comment of a shell is no heading. */
export const proseOf = (page: string): string => page.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, '');

export function sectionsOf(page: string): Section[] {
  const parts = `\n${proseOf(page)}`.split(/\n#{1,6} /).slice(1);
  return parts.map((part) => ({ heading: part.split('\n')[0]?.trim() ?? '', rows: rowsOf(part) }));
}

/** @throws Error where the page has no such heading. */
export function sectionOf(page: string, heading: string): Section {
  const found = sectionsOf(page).find((section) => section.heading === heading);
  if (!found) throw new Error(`no heading "${heading}"`);
  return found;
}

function rowsOf(text: string): string[][] {
  const lines = text.split('\n');
  return lines.flatMap((line, index) => {
    const isHead = /^\|[\s:|-]+\|$/.test(lines[index + 1] ?? '');
    return !line.startsWith('|') || isHead || /^\|[\s:|-]+\|$/.test(line) ? [] : [cellsOf(line)];
  });
}

/** A bar inside a cell is written `\|`. */
function cellsOf(line: string): string[] {
  const cells = line
    .trim()
    .slice(1, -1)
    .split(/(?<!\\)\|/);
  return cells.map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** The code spans of a text. */
export const codesOf = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
