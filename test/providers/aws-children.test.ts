import { awsHarness } from './aws-harness.ts';
import { providerContract } from './contract.ts';

providerContract('aws, children of sessions', await awsHarness('children'));
