import { providerContract } from './contract.ts';
import { vaultHarness } from './vault-harness.ts';
import { SHAPES } from './vault-shapes.ts';
import { vaultWorld } from './vault-world.ts';

for (const shape of SHAPES) providerContract(`vault, ${shape}`, vaultHarness(shape, await vaultWorld()));
