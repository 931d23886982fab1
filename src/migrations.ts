import { fileURLToPath } from 'node:url';

/** The SQL that this version ships, beside `src/` and `dist/`. */
export const migrationsDirectory = fileURLToPath(new URL('../prisma/migrations', import.meta.url));
