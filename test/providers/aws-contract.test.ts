import { providerContract } from './contract.ts';
import { awsHarness } from './aws-harness.ts';

providerContract('aws, children of sessions', await awsHarness('children'));
providerContract('aws, sessions with a deny list', await awsHarness('deny list'));
providerContract('aws, sessions that nothing but time ends', await awsHarness('expiry'));
