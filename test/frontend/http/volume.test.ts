import { request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'ava';
import { useClickHouse, useDatabase } from '../../helpers/index.ts';
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
