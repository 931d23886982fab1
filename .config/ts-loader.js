// `node --import ./.config/ts-loader.js file.ts` runs TypeScript on every Node that Writ supports (Node 20 strips no types).
import { register } from 'node:module';

register('./ts-hooks.js', import.meta.url);
