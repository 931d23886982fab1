export { openDoor, type Behind, type Door, type Trouble } from './door.ts';
export { failed, makeServer, type FakeServer, type Request } from './serve.ts';
export type { Answer } from './route.ts';
export type { FakeState } from './state.ts';
