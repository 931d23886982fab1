/**
 * As much of Prisma's schema language as `prisma/schema.prisma` uses, read from its text: the generated client knows
 * neither column types nor indexes, and the parser proper is part of the `prisma` tool, which is no library.
 */
export interface Table {
  readonly name: string;
  /** `name type`, then `null` where it may be, and `default ...` where there is one. */
  readonly columns: readonly string[];
  readonly primaryKey: readonly string[];
  /** `(columns) -> table (columns)` */
  readonly references: readonly string[];
  /** `name (columns)`, those with a condition left out: Prisma has no words for them. */
  readonly indexes: readonly string[];
}

const TYPES: Readonly<Record<string, string>> = {
  String: 'text',
  Int: 'integer',
  BigInt: 'bigint',
  Boolean: 'boolean',
  Json: 'jsonb',
  Bytes: 'bytea',
  'DateTime @db.Timestamptz(6)': 'timestamp with time zone',
};

interface Field {
  readonly name: string;
  readonly type: string;
  readonly rest: string;
}

interface Model {
  readonly name: string;
  readonly table: string;
  readonly fields: readonly Field[];
  /** Lines that begin with `@@`. */
  readonly attributes: readonly string[];
}

export function parsePrismaSchema(text: string): Table[] {
  const models = [...text.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, name = '', body = '']) =>
    readModel(name, body),
  );
  return models.map((model) => table(model, models));
}

function readModel(name: string, body: string): Model {
  const lines = body.split('\n').map((line) => line.replace(/\/\/.*/, '').trim());
  const attributes = lines.filter((line) => line.startsWith('@@'));
  const fields = lines.flatMap((line) => {
    const match = /^(\w+)\s+(\w+(?:\("\w+"\))?(?:\[\]|\?)?)\s*(.*)$/.exec(line);
    return match ? [{ name: match[1] ?? '', type: match[2] ?? '', rest: match[3] ?? '' }] : [];
  });
  const read = fields.length + attributes.length;
  if (read !== lines.filter((line) => line !== '').length) throw new Error(`a line of model ${name} cannot be read`);
  const table = attributes.map((line) => /^@@map\("(\w+)"\)$/.exec(line)?.[1]).find((mapped) => mapped !== undefined);
  return { name, table: table ?? name, fields, attributes };
}

function table(model: Model, models: readonly Model[]): Table {
  const isRelation = ({ type }: Field) => models.some(({ name }) => name === type.replace(/\[\]|\?/, ''));
  const scalars = model.fields.filter((field) => !isRelation(field));
  const named = (list: string) => list.split(',').map((name) => columnOf(model, name.trim()));
  const composite = model.attributes
    .map((line) => /^@@id\(\[(.*)\]\)$/.exec(line)?.[1])
    .find((list) => list !== undefined);
  return {
    name: model.table,
    columns: scalars.map(column),
    primaryKey:
      composite === undefined ? scalars.filter(({ rest }) => /@id\b/.test(rest)).map(columnName) : named(composite),
    references: model.fields.flatMap(({ type, rest }) => {
      const match = /fields: \[(.*?)\], references: \[(.*?)\]/.exec(rest);
      const target = models.find(({ name }) => name === type.replace('?', ''));
      if (!match || !target) return [];
      const there = (match[2] ?? '').split(',').map((name) => columnOf(target, name.trim()));
      return [`(${named(match[1] ?? '').join(', ')}) -> ${target.table} (${there.join(', ')})`];
    }),
    indexes: model.attributes.flatMap((line) => {
      const match = /^@@index\(\[(.*)\], map: "(\w+)"\)$/.exec(line);
      if (!match) return [];
      const columns = (match[1] ?? '').split(',').map((entry) => {
        const [, name = '', descending] = /^(\w+)(\(sort: Desc\))?$/.exec(entry.trim()) ?? [];
        return columnOf(model, name) + (descending === undefined ? '' : ' DESC');
      });
      return [`${match[2] ?? ''} (${columns.join(', ')})`];
    }),
  };
}

function columnOf(model: Model, name: string): string {
  const field = model.fields.find((each) => each.name === name);
  if (!field) throw new Error(`model ${model.name} has no ${name}`);
  return columnName(field);
}

function columnName({ name, rest }: Field): string {
  return /@map\("(\w+)"\)/.exec(rest)?.[1] ?? name;
}

function column(field: Field): string {
  const bare = field.type.replace(/\[\]|\?/, '');
  const native = /@db\.\S+/.exec(field.rest)?.[0];
  const named = native === undefined ? bare : `${bare} ${native}`;
  const type = TYPES[named] ?? /^Unsupported\("(\w+)"\)$/.exec(bare)?.[1];
  if (type === undefined) throw new Error(`an unknown type: ${named}`);
  const fallback = /@default\((?:dbgenerated\("(.*)"\)|(\d+))\)/.exec(field.rest);
  const value = fallback?.[1] ?? fallback?.[2];
  const list = field.type.endsWith('[]') ? '[]' : '';
  const nullable = field.type.endsWith('?') ? ' null' : '';
  return `${columnName(field)} ${type}${list}${nullable}${value === undefined ? '' : ` default ${value}`}`;
}
