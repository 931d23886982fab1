import { awsHarness } from './aws-harness.ts';
import { providerContract } from './contract.ts';

providerContract('aws, sessions with a deny list', await awsHarness('deny list'));
