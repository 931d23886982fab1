import { providerContract } from './contract.ts';
import { postgresHarness } from './postgres-harness.ts';

providerContract('postgres', await postgresHarness());
