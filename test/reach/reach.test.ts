import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { askWithin, parseHostRules, Reach, ReachError } from '../../src/reach/index.ts';

function reachOf(text?: string): Reach {
  const reach = new Reach('allowed_brokers');
  const rules = text === undefined ? [] : parseHostRules(text);
  if (rules === undefined) throw new Error(`${text} is no list`);
  reach.limitTo(rules);
  return reach;
}

const allows = test.macro({
  async exec(t, list: string | undefined, host: string, port: number) {
    await t.notThrowsAsync(reachOf(list).assertReachable(host, port));
  },
  title: (_, list: string | undefined, host: string, port: number) => `${list ?? 'no list'} allows ${host}:${port}`,
});
const refuses = test.macro({
  async exec(t, list: string | undefined, host: string, port: number) {
    await t.throwsAsync(reachOf(list).assertReachable(host, port), { instanceOf: ReachError });
  },
  title: (_, list: string | undefined, host: string, port: number) => `${list ?? 'no list'} refuses ${host}:${port}`,
});

test(allows, undefined, 'kafka.example.com', 9092);
test(allows, undefined, '127.0.0.1', 9092);
test(allows, undefined, '10.0.0.1', 9092);
test(refuses, undefined, '169.254.169.254', 80);
test(refuses, undefined, '::ffff:169.254.169.254', 80);
test(refuses, undefined, '::ffff:a9fe:a9fe', 80);
test(refuses, undefined, '64:ff9b::a9fe:a9fe', 80);
test(refuses, undefined, 'fe80::1%eth0', 80);
test(refuses, undefined, 'fd00:ec2::254', 80);
test(refuses, '*', '169.254.169.254', 80);
test(refuses, '0.0.0.0/0', '169.254.169.254', 80);
test(allows, '*, link-local', '169.254.169.254', 80);
test(allows, '169.254.1.0/24', '169.254.1.7', 80);
test(allows, 'fe80::/10', 'fe80::1', 80);

test(allows, 'kafka.internal:9092', 'kafka.internal', 9092);
test(allows, 'Kafka.internal:9092', 'KAFKA.internal.', 9092);
test(refuses, 'kafka.internal:9092', 'kafka.internal', 9093);
test(refuses, 'kafka.internal:9092', 'kafka.internal.evil.com', 9092);
test(refuses, 'kafka.internal:9092', '127.0.0.1', 9092);
test(allows, '*.example.com:9092-9094', 'b-1.kafka.example.com', 9094);
test(refuses, '*.example.com:9092-9094', 'b-1.kafka.example.com', 9095);
test(refuses, '*.example.com', 'example.com', 9092);
test(refuses, '*.example.com', 'evilexample.com', 9092);
test(allows, 'a:1, b:2', 'b', 2);
test(refuses, 'a:1, b:2', 'b', 1);

test(allows, '10.0.0.0/8:9092', '10.9.8.7', 9092);
test(allows, '10.0.0.0/8:9092', '::ffff:10.9.8.7', 9092);
test(refuses, '10.0.0.0/8:9092', '11.0.0.1', 9092);
test(allows, '[2001:db8::]/32:9092', '2001:db8:1::1', 9092);
test(allows, '[2001:db8::/32]:9092', '2001:db8:1::1', 9092);
test(refuses, '[2001:db8::]/32:9092', '2001:db9::1', 9092);
test(allows, '2001:db8::/32', '2001:db8::1', 1);
test(allows, '[::1]:9092', '::1', 9092);
test(allows, '127.0.0.0/8', 'localhost', 9092);
test(refuses, '10.0.0.0/8', 'localhost', 9092);

test(refuses, '!loopback', '127.0.0.1', 9092);
test(refuses, '!loopback', '0.0.0.0', 9092);
test(refuses, '!loopback, !private', '192.168.1.1', 9092);
test(allows, '!loopback, !private', '9.9.9.9', 9092);
test(allows, '!loopback', 'kafka.example.com', 9092);
test(refuses, '!kafka.example.com, *', 'kafka.example.com', 9092);
test(refuses, '10.0.0.0/8, !10.0.0.1', '10.0.0.1', 9092);
test(allows, '*:9092', '8.8.8.8', 9092);

test('what is no list is not taken for one', (t) => {
  const wrong = [
    '',
    'a,',
    'a b',
    '10.0.0.0/33',
    '10.0.0/8',
    '1.2.3',
    'a:70000',
    'a:2-1',
    'a:x',
    'http://a',
    '[a]:1',
    '[10.0.0.1]:1',
    '*a.com',
    '!',
    '10.0.0.0/8/8',
    'a.*.com',
  ];
  t.deepEqual(
    wrong.filter((text) => parseHostRules(text) !== undefined),
    [],
  );
});

test('a refusal tells neither the list nor what a name resolves to', async (t) => {
  const error = await t.throwsAsync(reachOf('10.1.2.3:9092, 10.9.9.9').assertReachable('localhost', 9092));
  t.is(
    error.message,
    'URL "localhost:9092" is not allowed in the configuration of the gateway, see allowed_brokers: ' +
      "its address is not among those that may be connected to. Ask the gateway's operator to allow it",
  );
});

/** Connects as our clients do; answers the error of the socket, or undefined. */
async function failureOf(reach: Reach, host: string, port: number): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, lookup: reach.lookupFor(port) });
    socket.on('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('error', resolve);
  });
}

async function useServer(
  t: ExecutionContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ port: number; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, requests };
}

test('a name that is allowed cannot be made to mean a refused address', async (t) => {
  const { port } = await useServer(t, (_request, response) => response.end());
  t.is(await failureOf(reachOf('localhost'), 'localhost', port), undefined);
  t.true((await failureOf(reachOf('localhost, !loopback'), 'localhost', port)) instanceof ReachError);
  // The resolver reads such numbers as addresses.
  t.true((await failureOf(reachOf(), '0xa9fea9fe', port)) instanceof ReachError);
  t.true((await failureOf(reachOf('!loopback'), '2130706433', port)) instanceof ReachError);
});

const LIMITS = { timeoutMs: 5_000, maxAnswerBytes: 1_000 };

test('a redirect is followed where it is allowed, without the credentials when it leads elsewhere', async (t) => {
  const target = await useServer(t, (_request, response) => response.end('here'));
  const first = await useServer(t, (request, response) => {
    const to = request.url === '/start' ? '/next' : `http://localhost:${target.port}/there`;
    response.writeHead(307, { location: to }).end();
  });
  const question = {
    url: `http://127.0.0.1:${first.port}/start`,
    headers: { authorization: 'Basic c2VjcmV0', accept: 'text/plain' },
    ...LIMITS,
  };
  t.deepEqual(await askWithin(reachOf('loopback'), question), { status: 200, text: 'here' });
  t.is(first.requests[1]?.headers.authorization, 'Basic c2VjcmV0');
  t.is(target.requests[0]?.headers.authorization, undefined);
  t.is(target.requests[0]?.headers.accept, 'text/plain');
});

test('a redirect out of what is allowed is refused', async (t) => {
  const target = await useServer(t, (_request, response) => response.end('secret'));
  for (const location of [`http://127.0.0.1:${target.port}/`, 'http://169.254.169.254/latest/meta-data/', 'file:///etc/passwd']) {
    const first = await useServer(t, (_request, response) => response.writeHead(302, { location }).end());
    await t.throwsAsync(askWithin(reachOf(`127.0.0.1:${first.port}`), { url: `http://127.0.0.1:${first.port}`, ...LIMITS }));
  }
  t.is(target.requests.length, 0);
});

test('redirects that never end, and answers that are too long, are given up', async (t) => {
  const circle = await useServer(t, (_request, response) => response.writeHead(301, { location: '/' }).end());
  await t.throwsAsync(askWithin(reachOf(), { url: `http://127.0.0.1:${circle.port}`, ...LIMITS }), {
    message: /redirects more than 3 times/,
  });
  t.is(circle.requests.length, 4);
  const long = await useServer(t, (_request, response) => response.end('x'.repeat(100_000)));
  await t.throwsAsync(askWithin(reachOf(), { url: `http://127.0.0.1:${long.port}`, ...LIMITS }), { message: /more than 1000 bytes/ });
});

test('what is posted does not follow a redirect', async (t) => {
  const target = await useServer(t, (_request, response) => response.end());
  const first = await useServer(t, (_request, response) => response.writeHead(307, { location: `http://127.0.0.1:${target.port}` }).end());
  const answer = await askWithin(reachOf(), { url: `http://127.0.0.1:${first.port}`, method: 'POST', body: 'client_secret=x', ...LIMITS });
  t.is(answer.status, 307);
  t.is(target.requests.length, 0);
});
