import { awsHarness } from './aws-harness.ts';
import { providerContract } from './contract.ts';

providerContract('aws, sessions that nothing but time ends', await awsHarness('expiry'));
