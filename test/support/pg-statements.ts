import { readBind, statementOf, textOf, type Side } from './pg-messages.ts';

/**
 * Follows one connection and says which SQL a message executes or answers: a prepared statement's SQL is sent once, and an
 * answer names none at all.
 */
export interface Statements {
  /** For each message in the order of its direction, once. */
  sqlOf(from: Side, type: string, body: Buffer): string;
}

type Asked = { readonly kind: 'query' | 'execute'; readonly sql: string } | { readonly kind: 'sync' };

export function followStatements(): Statements {
  const statements = new Map<string, string>();
  const portals = new Map<string, string>();
  const asked: Asked[] = [];

  const frontend = (type: string, body: Buffer): string => {
    switch (type) {
      case 'P': {
        const sql = textOf('frontend', type, body);
        statements.set(statementOf(body), sql);
        return sql;
      }
      case 'B': {
        const { portal, statement } = readBind(body);
        const sql = statements.get(statement) ?? '';
        portals.set(portal, sql);
        return sql;
      }
      case 'E': {
        const sql = portals.get(statementOf(body)) ?? '';
        asked.push({ kind: 'execute', sql });
        return sql;
      }
      case 'Q': {
        const sql = textOf('frontend', type, body);
        asked.push({ kind: 'query', sql }, { kind: 'sync' });
        return sql;
      }
      case 'S':
        asked.push({ kind: 'sync' });
        return '';
      default:
        return '';
    }
  };

  const backend = (type: string): string => {
    const [first] = asked;
    const sql = first && first.kind !== 'sync' ? first.sql : '';
    const answered = type === 'C' || type === 'I' || type === 's'; // complete, empty, suspended
    if (answered && first?.kind === 'execute') asked.shift();
    if (type === 'Z') asked.splice(0, asked.findIndex(({ kind }) => kind === 'sync') + 1);
    return sql;
  };

  return { sqlOf: (from, type, body) => (from === 'frontend' ? frontend(type, body) : backend(type)) };
}
