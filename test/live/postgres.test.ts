import { providerContract } from '../providers/contract.ts';
import { postgresHarness } from '../providers/postgres-harness.ts';
import { openDatabases, serverOf } from './postgres-server.ts';

/** The contract against a real server of anybody's: DATABASE_URL is a superuser of it. */
const server = serverOf(process.env['DATABASE_URL']);
const accepted = await openDatabases(server);

providerContract('postgres, live', await postgresHarness(server, accepted));
