import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { SchemaRegistry, schemaRegistryAt } from '../../src/registry/index.ts';
import { waitFor } from '../parts/wait-for.ts';

/** A registry's interface whose answers a test makes. */
async function useAnswers(
  t: ExecutionContext,
  answer: (request: IncomingMessage) => { status?: number; body: string } | undefined,
): Promise<{ host: string; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const made = answer(request);
    if (made !== undefined) response.writeHead(made.status ?? 200).end(made.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

test('a schema is known soon after it was asked for, and asked for once', async (t) => {
  const { host, requests } = await useAnswers(t, () => ({ body: JSON.stringify({ schema: '"int"' }) }));
  const registry = new SchemaRegistry({ url: `http://${host}/base/` });
  t.is(registry.schemaOf(7), undefined);
  t.is(registry.schemaOf(7), undefined);
  await waitFor(() => registry.schemaOf(7) === '"int"');
  t.deepEqual(requests, ['/base/schemas/ids/7']);
});

test('user and password of the URL are sent as Basic', async (t) => {
  let header = '';
  const { host } = await useAnswers(t, (request) => {
    header = request.headers.authorization ?? '';
    return { body: JSON.stringify({ schema: '"int"', schemaType: 'AVRO', references: [] }) };
  });
  const registry = new SchemaRegistry({ url: `http://us%40er:p%3Ass@${host}` });
  await waitFor(() => registry.schemaOf(1) !== undefined);
  t.is(Buffer.from(header.replace('Basic ', ''), 'base64').toString(), 'us@er:p:ss');
});

test('a registry that fails is asked again after a pause', async (t) => {
  let calls = 0;
  const { host } = await useAnswers(t, () => (++calls === 1 ? { status: 500, body: 'no' } : { body: JSON.stringify({ schema: '"int"' }) }));
  const registry = new SchemaRegistry({ url: `http://${host}` });
  registry.schemaOf(1);
  await waitFor(() => calls === 1);
  const asked = Date.now();
  await waitFor(() => registry.schemaOf(1) !== undefined);
  t.is(calls, 2);
  t.true(Date.now() - asked >= 300);
});

test('what is no Avro schema of its own stays unknown', async (t) => {
  const answers = [
    '{"schema":"message M {}","schemaType":"PROTOBUF"}',
    '{"schema":"{}","references":[{"name":"x"}]}',
    '[]',
    'no JSON',
    '{}',
  ];
  const { host, requests } = await useAnswers(t, (request) => ({ body: answers[Number(request.url?.split('/').at(-1))] ?? '' }));
  const registry = new SchemaRegistry({ url: `http://${host}` });
  answers.forEach((_, id) => registry.schemaOf(id));
  await waitFor(() => requests.length === answers.length);
  t.deepEqual(
    answers.map((_, id) => registry.schemaOf(id)),
    answers.map(() => undefined),
  );
});

test('however many ids messages name, few are asked for at a time', async (t) => {
  const { host, requests } = await useAnswers(t, () => undefined);
  const registry = new SchemaRegistry({ url: `http://${host}` });
  for (let id = 0; id < 1000; id++) registry.schemaOf(id);
  await waitFor(() => requests.length === 8);
  t.is(requests.length, 8);
});

test('one address is one registry, and what is no URL is none', (t) => {
  t.is(schemaRegistryAt({ url: 'http://127.0.0.1:1/x' }), schemaRegistryAt({ url: 'http://127.0.0.1:1/x' }));
  t.is(schemaRegistryAt({ url: 'registry' }), undefined);
});
