import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { makeOutbound } from '../../src/outbound/client.ts';
import type { Resolve } from '../../src/outbound/guard.ts';
import { OutboundError } from '../../src/domain/outbound.ts';
import { makeCertificate } from '../support/certificate.ts';

const servers: Server[] = [];

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A plain server; `hits` are the paths that it was asked for. */
async function serve(handler: RequestListener) {
  const hits: string[] = [];
  const port = await listen(
    createServer((request, response) => {
      hits.push(request.url ?? '');
      handler(request, response);
    }),
  );
  return { hits, port, host: `127.0.0.1:${port}`, url: `http://127.0.0.1:${port}` };
}

/** A resolver that gives these addresses in turn, the last one for ever. */
function resolver(...answers: string[][]): Resolve & { calls: number } {
  const resolve: Resolve & { calls: number } = (_hostname, _options, callback) => {
    const addresses = answers[Math.min(resolve.calls, answers.length - 1)] ?? [];
    resolve.calls += 1;
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  resolve.calls = 0;
  return resolve;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (error instanceof OutboundError ? error.code : `not an OutboundError: ${String(error)}`),
  );
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

describe('addresses', () => {
  test.each([
    ['https://127.0.0.1/'],
    ['https://2130706433/'],
    ['https://0x7f.1/'],
    ['https://[::1]/'],
    ['https://[::ffff:127.0.0.1]/'],
    ['https://[::ffff:a9fe:a9fe]/'],
    ['https://169.254.169.254/latest/meta-data'],
    ['https://10.0.0.1:8443/'],
    ['https://[fd00:ec2::254]/'],
  ])('a literal inside is refused: %s', async (url) => {
    expect(await codeOf(makeOutbound({ allow: [] })(url))).toBe('refused_address');
  });

  test.each([
    ['a private address', ['10.0.0.1']],
    ['loopback', ['127.0.0.1']],
    ['metadata', ['169.254.169.254']],
    ['loopback of IPv6', ['::1']],
    ['a public and a private address', ['93.184.216.34', '127.0.0.1']],
    ['no address', []],
  ])('a name that resolves to %s is refused', async (_what, addresses) => {
    const outbound = makeOutbound({ allow: [], resolve: resolver(addresses) });
    expect(await codeOf(outbound('https://keys.example/'))).toBe(addresses.length ? 'refused_address' : 'unreachable');
  });

  test('localhost is refused by the real resolver', async () => {
    expect(await codeOf(makeOutbound({ allow: [] })('https://localhost:1/'))).toBe('refused_address');
  });

  test('the address that was checked is the one connected to: a name is resolved once, so it cannot be rebound', async () => {
    const inside = await serve((_request, response) => response.end('inside'));
    // Public when it is looked at, loopback when it is looked at again.
    const resolve = resolver(['93.184.216.34'], ['127.0.0.1']);
    const outbound = makeOutbound({ allow: [], resolve });
    expect(await codeOf(outbound(`https://rebind.example:${inside.port}/`, { timeoutMs: 300 }))).toMatch(
      /timeout|unreachable/,
    );
    expect(resolve.calls).toBe(1);
    expect(inside.hits).toEqual([]);
  });

  test.each([
    ['by host', () => '127.0.0.1'],
    ['by host and port', (port: number) => `127.0.0.1:${port}`],
  ])('allowed %s', async (_how, allow) => {
    const inside = await serve((_request, response) => response.end('inside'));
    const outbound = makeOutbound({ allow: [allow(inside.port)] });
    expect(await outbound(inside.url)).toMatchObject({ status: 200, text: 'inside' });
  });

  test('a name that is allowed may resolve to a private address', async () => {
    const inside = await serve((_request, response) => response.end('inside'));
    const resolve = resolver(['127.0.0.1']);
    const outbound = makeOutbound({ allow: ['Keys.Internal'], resolve });
    expect(await outbound(`http://keys.internal:${inside.port}/`)).toMatchObject({ text: 'inside' });
    expect(await codeOf(outbound(`https://other.internal:${inside.port}/`))).toBe('refused_address');
  });

  test('another port of an allowed host and port is not allowed', async () => {
    const inside = await serve((_request, response) => response.end('inside'));
    const outbound = makeOutbound({ allow: ['127.0.0.1:1'] });
    expect(await codeOf(outbound(`https://127.0.0.1:${inside.port}`))).toBe('refused_address');
  });
});

describe('schemes', () => {
  test.each([
    ['http://keys.example/'],
    ['ftp://keys.example/'],
    ['file:///etc/passwd'],
    ['data:,x'],
    ['https://user:secret@keys.example/'],
    ['not a url'],
  ])('refused: %s', async (url) => {
    expect(await codeOf(makeOutbound({ allow: [] })(url))).toBe('refused_scheme');
  });
});

describe('redirects', () => {
  test('to a private address is refused, and nothing arrives there', async () => {
    const inside = await serve((_request, response) => response.end('inside'));
    const outside = await serve((_request, response) => {
      response.writeHead(302, { location: `https://127.0.0.1:${inside.port}/latest` }).end();
    });
    expect(await codeOf(makeOutbound({ allow: [outside.host] })(outside.url))).toBe('refused_address');
    expect(inside.hits).toEqual([]);
  });

  test('to a name that resolves to a private address is refused', async () => {
    const outside = await serve((_request, response) => {
      response.writeHead(307, { location: 'https://inside.example/' }).end();
    });
    const resolve = resolver(['10.0.0.1']);
    expect(await codeOf(makeOutbound({ allow: [outside.host], resolve })(outside.url))).toBe('refused_address');
    expect(resolve.calls).toBe(1);
  });

  test('to plain http is refused unless that host is allowed by name', async () => {
    const outside = await serve((_request, response) => {
      response.writeHead(302, { location: 'http://keys.example/' }).end();
    });
    expect(await codeOf(makeOutbound({ allow: [outside.host] })(outside.url))).toBe('refused_scheme');
  });

  test('from https to http is refused even where http is allowed', async () => {
    const inside = await serve((_request, response) => response.end('inside'));
    const { cert, key } = makeCertificate();
    const port = await listen(
      createTlsServer({ cert, key }, (_request, response) => {
        response.writeHead(302, { location: inside.url }).end();
      }),
    );
    const outbound = makeOutbound({ allow: ['127.0.0.1'] });
    expect(await codeOf(outbound(`https://127.0.0.1:${port}/`, { ca: cert }))).toBe('refused_scheme');
    expect(inside.hits).toEqual([]);
  });

  test.each([
    [3, 'none'],
    [4, 'too_many_redirects'],
  ])('%i in a row: %s', async (times, want) => {
    const server = await serve((request, response) => {
      const left = Number((request.url ?? '/').slice(1));
      if (left > 0) response.writeHead(301, { location: `/${left - 1}` }).end();
      else response.end('here');
    });
    expect(await codeOf(makeOutbound({ allow: [server.host] })(`${server.url}/${times}`))).toBe(want);
  });

  test('headers stay with the origin that they were meant for', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization, request.headers['x-key'] as string | undefined);
      response.end('here');
    });
    const first = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: request.url === '/' ? '/again' : other.url }).end();
    });
    const outbound = makeOutbound({ allow: ['127.0.0.1'] });
    await outbound(first.url, { headers: { authorization: 'Bearer own', 'x-key': 'own' } });
    expect(seen).toEqual(['Bearer own', 'Bearer own', undefined, undefined]);
  });

  test('a POST is never sent on', async () => {
    const other = await serve((_request, response) => response.end('other'));
    const first = await serve((_request, response) => response.writeHead(307, { location: other.url }).end());
    const outbound = makeOutbound({ allow: ['127.0.0.1'] });
    expect(await outbound(first.url, { method: 'POST', body: '{}' })).toMatchObject({ status: 307 });
    expect(other.hits).toEqual([]);
  });

  test('to something that is no URL', async () => {
    const server = await serve((_request, response) => response.writeHead(302, { location: 'http://' }).end());
    expect(await codeOf(makeOutbound({ allow: [server.host] })(server.url))).toBe('bad_answer');
  });
});

describe('bounds', () => {
  test.each([
    [1000, 'none'],
    [1001, 'too_large'],
  ])('%i bytes where 1000 are allowed: %s', async (bytes, want) => {
    const server = await serve((_request, response) => response.end('x'.repeat(bytes)));
    expect(await codeOf(makeOutbound({ allow: [server.host] })(server.url, { maxBytes: 1000 }))).toBe(want);
  });

  test('an endless answer is cut', async () => {
    const server = await serve((_request, response) => {
      const timer = setInterval(() => response.write('x'.repeat(4096)), 1);
      response.on('close', () => clearInterval(timer));
    });
    expect(await codeOf(makeOutbound({ allow: [server.host] })(server.url, { maxBytes: 100_000 }))).toBe('too_large');
  });

  test('compressed answers are neither asked for nor unfolded', async () => {
    let asked: string | undefined;
    const server = await serve((request, response) => {
      asked = String(request.headers['accept-encoding']);
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(10_000_000)));
    });
    const outbound = makeOutbound({ allow: [server.host] });
    expect(await codeOf(outbound(server.url, { headers: { 'accept-encoding': 'gzip' } }))).toBe('bad_answer');
    expect(asked).toBe('identity');
  });

  test.each([
    ['before the first byte', () => undefined],
    ['in the middle', (response: { write: (text: string) => void }) => response.write('{')],
  ])('a server that stalls %s', async (_where, begin) => {
    const server = await serve((_request, response) => begin(response));
    expect(await codeOf(makeOutbound({ allow: [server.host] })(server.url, { timeoutMs: 100 }))).toBe('timeout');
  });

  test('time covers the redirects together', async () => {
    const server = await serve((_request, response) => {
      setTimeout(() => response.writeHead(302, { location: '/' }).end(), 80);
    });
    expect(await codeOf(makeOutbound({ allow: [server.host] })(server.url, { timeoutMs: 200 }))).toBe('timeout');
  });

  test('nobody there', async () => {
    const server = await serve((_request, response) => response.end());
    const closed = servers.pop();
    closed?.close();
    expect(await codeOf(makeOutbound({ allow: [server.host] })(server.url))).toBe('unreachable');
  });
});

describe('TLS', () => {
  test('only the given authority counts, and the name must be in the certificate', async () => {
    const { cert, key } = makeCertificate(['keys.internal']);
    const port = await listen(createTlsServer({ cert, key }, (_request, response) => response.end('over TLS')));
    const outbound = makeOutbound({
      allow: ['127.0.0.1', 'keys.internal', 'other.internal'],
      resolve: resolver(['127.0.0.1']),
    });
    expect(await outbound(`https://keys.internal:${port}/`, { ca: cert })).toMatchObject({ text: 'over TLS' });
    expect(await codeOf(outbound(`https://keys.internal:${port}/`))).toBe('unreachable');
    expect(await codeOf(outbound(`https://keys.internal:${port}/`, { ca: makeCertificate().cert }))).toBe(
      'unreachable',
    );
    expect(await codeOf(outbound(`https://other.internal:${port}/`, { ca: cert }))).toBe('unreachable');
  });
});

test('an error status is an answer; a body is sent whole', async () => {
  const server = await serve((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => response.writeHead(418, { 'x-method': request.method ?? '' }).end(body));
  });
  const outbound = makeOutbound({ allow: [server.host] });
  expect(await outbound(server.url, { method: 'POST', body: 'zwölf' })).toMatchObject({
    status: 418,
    headers: { 'x-method': 'POST' },
    text: 'zwölf',
  });
});
