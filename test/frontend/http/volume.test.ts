import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'ava';
import { useGateway } from '../../helpers/gateway.ts';
import { useClickHouse, useDatabase, waitFor } from '../../helpers/index.ts';
import { send } from './helpers/exchange.ts';
import { useFrontEnd } from './helpers/front-end.ts';

const MIB = 1024 * 1024;

/** The most memory that buffers outside the heap took while `run` ran, above what they took before, in bytes. */
async function peakBufferBytes(run: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  const sampling = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
  }, 5);
  try {
    await run();
  } finally {
    clearInterval(sampling);
  }
  return peak;
}

test.serial('an upload of 100 MB passes in flat memory', async (t) => {
  const server = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  const database = await useDatabase(t);
  await server.query(`CREATE TABLE ${database}.t (s String) ENGINE = Null`);
  const chunk = Buffer.from(`${'x'.repeat(99)}\n`.repeat(2_500));
  const body = Readable.from(Array.from({ length: 400 }, () => chunk));
  const target = `/?query=${encodeURIComponent(`INSERT INTO ${database}.t FORMAT TSV`)}`;
  const peak = await peakBufferBytes(async () => {
    const answer = await send(gateway.url, { method: 'POST', target, body });
    t.is(answer.status, 200, answer.body.toString());
    t.regex(answer.rawHeaders.join(' '), /"written_rows":"1000000"/);
  });
  t.true(peak < 60 * MIB, `${peak} bytes`);
});

/** Kilobytes of memory that a process has now, and at most had so far. */
function memoryOf(pid: number): { readonly nowKb: number; readonly peakKb: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kb = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
  return { nowKb: kb('VmRSS'), peakKb: kb('VmHWM') };
}

test.serial('a chunked upload of 1 GB passes the whole gateway in flat memory', async (t) => {
  const server = await useClickHouse(t);
  const gateway = await useGateway(t);
  const database = await useDatabase(t);
  await server.query(`CREATE TABLE ${database}.t (s FixedString(256)) ENGINE = Null`);
  const chunk = Buffer.alloc(4 * MIB);
  const body = Readable.from(Array.from({ length: 256 }, () => chunk));
  const target = `/?query=${encodeURIComponent(`INSERT INTO ${database}.t FORMAT RowBinary`)}`;
  const before = memoryOf(gateway.pid);
  const startMs = performance.now();
  const answer = await send(gateway.url, { method: 'POST', target, body });
  const seconds = (performance.now() - startMs) / 1000;
  t.is(answer.status, 200, answer.body.toString());
  t.regex(answer.rawHeaders.join(' '), /"written_rows":"4194304"/);
  const { peakKb } = memoryOf(gateway.pid);
  t.log(`${seconds.toFixed(1)} s, ${Math.round(before.nowKb / 1024)} MiB before, ${Math.round(peakKb / 1024)} MiB at most`);
  t.true(peakKb - before.nowKb < 100 * 1024, `${before.nowKb} kB before, ${peakKb} kB at most`);
});

test.serial('5,000 idle connections cost little, and go when the clients do', async (t) => {
  const gateway = await useGateway(t, { env: { SLUICE_MAX_CONNECTIONS: '6000' } });
  const count = 5_000;
  const before = memoryOf(gateway.pid);
  const sockets = Array.from({ length: count }, () => connect(gateway.httpPort, '127.0.0.1'));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  // Each has had an answer and is kept for the next request.
  const answered = sockets.map(async (socket) => {
    socket.write('GET /ping HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
  });
  await Promise.all(answered);
  const { peakKb } = memoryOf(gateway.pid);
  t.log(`${((peakKb - before.nowKb) / count).toFixed(1)} kB each`);
  t.true((peakKb - before.nowKb) / count < 40, `${peakKb - before.nowKb} kB`);
  t.is((await send(gateway.url, { target: '/?query=SELECT%201' })).body.toString(), '1\n');
  for (const socket of sockets) socket.destroy();
  await waitFor(() => readdirSync(`/proc/${gateway.pid}/fd`).length < 1_000);
});

test.serial('a download of 100 MB to a slow reader passes in flat memory', async (t) => {
  const gateway = await useFrontEnd(t);
  const target = `/?query=${encodeURIComponent("SELECT repeat('x', 99) FROM numbers(1000000)")}`;
  let bytes = 0;
  const peak = await peakBufferBytes(async () => {
    await new Promise<void>((resolve, reject) => {
      const sent = request(`${gateway.url}${target}`, (received) => {
        const slowly = async (source: AsyncIterable<Buffer>): Promise<void> => {
          for await (const part of source) {
            bytes += part.length;
            await new Promise((next) => setImmediate(next));
          }
        };
        pipeline(received, slowly).then(resolve, reject);
      });
      sent.on('error', reject);
      sent.end();
    });
  });
  t.is(bytes, 100_000_000);
  t.true(peak < 60 * MIB, `${peak} bytes`);
});
