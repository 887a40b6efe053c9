import test, { type ExecutionContext } from 'ava';
import { startAdminServer } from '../../src/admin/index.ts';
import { silentLogger } from '../../src/logger.ts';

async function useAdmin(
  t: ExecutionContext,
  notReadyReasons: () => Promise<readonly string[]> = () => Promise.resolve([]),
): Promise<string> {
  const admin = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    logger: silentLogger(),
    notReadyReasons,
    status: () => ({ tables: [{ table: 'q' }] }),
  });
  t.teardown(() => admin.close());
  return `http://127.0.0.1:${admin.port}`;
}

test('/health answers 200 even when the gateway is not ready', async (t) => {
  const url = await useAdmin(t, () => Promise.resolve(['ClickHouse is away']));
  const response = await fetch(`${url}/health`);
  t.deepEqual([response.status, await response.text()], [200, 'ok\n']);
});

test('/ready answers 200 without reasons and 503 with them', async (t) => {
  const reasons: string[] = [];
  const url = await useAdmin(t, () => Promise.resolve(reasons));
  const good = await fetch(`${url}/ready`);
  t.deepEqual([good.status, await good.json()], [200, { ready: true, reasons: [] }]);
  reasons.push('ClickHouse is away');
  const bad = await fetch(`${url}/ready`);
  t.deepEqual([bad.status, await bad.json()], [503, { ready: false, reasons: ['ClickHouse is away'] }]);
});

test('a check that fails is a reason not to be ready', async (t) => {
  const url = await useAdmin(t, () => Promise.reject(new Error('check failed')));
  const response = await fetch(`${url}/ready`);
  t.deepEqual([response.status, await response.json()], [503, { ready: false, reasons: ['check failed'] }]);
});

test('/status answers what is told of the tables, as JSON', async (t) => {
  const response = await fetch(`${await useAdmin(t)}/status`);
  t.deepEqual([response.status, await response.json()], [200, { tables: [{ table: 'q' }] }]);
  t.regex(response.headers.get('content-type') ?? '', /^application\/json/);
});

test('/ lists the pages', async (t) => {
  const text = await (await fetch(await useAdmin(t))).text();
  t.regex(text, /^\/health {2}/m);
  t.regex(text, /^\/ready {2}/m);
  t.regex(text, /^\/status {2}/m);
});

test('HEAD answers as GET does, without a body', async (t) => {
  const response = await fetch(`${await useAdmin(t)}/health`, { method: 'HEAD' });
  t.deepEqual([response.status, await response.text()], [200, '']);
});

test('another method on a page is 405 and names what is allowed', async (t) => {
  const response = await fetch(`${await useAdmin(t)}/ready?x=1`, { method: 'POST', body: '{' });
  t.deepEqual(
    [response.status, response.headers.get('allow'), await response.text()],
    [405, 'GET, HEAD', '/ready answers GET and HEAD only\n'],
  );
});

test('any other path is 404, a path that cannot be decoded 400', async (t) => {
  const url = await useAdmin(t);
  t.is((await fetch(`${url}/metrics/x`)).status, 404);
  t.is((await fetch(`${url}/constructor`)).status, 404);
  t.is((await fetch(`${url}/%zz`)).status, 400);
});

test('a port in use rejects with the error of the system', async (t) => {
  const url = await useAdmin(t);
  const port = Number(new URL(url).port);
  await t.throwsAsync(
    startAdminServer({ host: '127.0.0.1', port, logger: silentLogger(), notReadyReasons: () => Promise.resolve([]), status: () => ({}) }),
    {
      code: 'EADDRINUSE',
    },
  );
});
