// Makes the parts of docs/ that come from the program: `npm run docs`.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { withCatalogue } from '../src/audit/catalogue-page.ts';

const page = fileURLToPath(new URL('../docs/events.md', import.meta.url));
const options = await resolveConfig(page, { config: fileURLToPath(new URL('./prettier.json', import.meta.url)) });
const made = withCatalogue(await readFile(page, 'utf8'));
await writeFile(page, await format(made, { ...options, parser: 'markdown' }));
