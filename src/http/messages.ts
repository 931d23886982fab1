import { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:http';
import type { Express } from 'express';

export type App = Express;

export interface Messages {
  /** For `createServer`. */
  readonly classes: Required<Pick<ServerOptions, 'IncomingMessage' | 'ServerResponse'>>;
  /** What is made from now on is what `app` would make of it. One app only. */
  belongTo(app: App): void;
}

/**
 * Requests and answers of Node's server that belong to an app from their birth. Express gives each of them another prototype, its own; an object
 * whose prototype was changed is slow to use for whoever comes after, which costs more than all else that Express does. What has it already is
 * left as it is (docs/benchmarks.md has the figures).
 */
export function makeMessages(): Messages {
  class Request extends IncomingMessage {}
  class Response<Asked extends IncomingMessage> extends ServerResponse<Asked> {}
  return {
    classes: { IncomingMessage: Request, ServerResponse: Response },
    belongTo(app) {
      Object.setPrototypeOf(Request.prototype, app.request);
      Object.setPrototypeOf(Response.prototype, app.response);
      Object.assign(app, { request: Request.prototype, response: Response.prototype });
    },
  };
}
