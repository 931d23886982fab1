import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeCertificate } from './certificate.ts';

interface ReviewRequest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: { readonly token: string; readonly audiences: readonly string[] };
}

/** As much of a Kubernetes API server as a TokenReview meets: TLS by its own authority, and its own bearer token. */
export interface TestApiServer {
  readonly url: string;
  readonly ca: string;
  /** What the caller must show. */
  token: string;
  readonly reviews: ReviewRequest[];
  /** The `status` of the answer; a number is an HTTP status instead, text the whole body. */
  answer: (review: ReviewRequest) => object | number | string;
  close(): Promise<void>;
}

export async function startApiServer(): Promise<TestApiServer> {
  const { cert, key } = makeCertificate();
  const server = createServer({ cert, key }, (request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const json = (status: number, value: unknown) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      if (request.headers.authorization !== `Bearer ${api.token}`) return json(401, { kind: 'Status', code: 401 });
      if (request.method !== 'POST' || request.url !== '/apis/authentication.k8s.io/v1/tokenreviews') {
        return json(404, { kind: 'Status', code: 404 });
      }
      const review = JSON.parse(body) as ReviewRequest;
      api.reviews.push(review);
      const answer = api.answer(review);
      if (typeof answer === 'number') return json(answer, { kind: 'Status', code: answer });
      if (typeof answer === 'string') return response.writeHead(201).end(answer);
      return json(201, { ...review, status: answer });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const api: TestApiServer = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: cert,
    token: 'own-token',
    reviews: [],
    answer: () => ({ authenticated: false }),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return api;
}
