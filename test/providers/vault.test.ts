import { providerContract } from './contract.ts';
import { vaultHarness } from './vault-harness.ts';
import { SHAPES } from './vault-shapes.ts';

for (const shape of SHAPES) providerContract(`vault, ${shape}`, await vaultHarness(shape));
