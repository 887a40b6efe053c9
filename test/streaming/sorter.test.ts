import test from 'ava';
import { ChunkPool, MemoryBudget } from '../../src/batching/index.ts';
import type { ManagedTable } from '../../src/catalog/index.ts';
import { ClickHouseException } from '../../src/errors.ts';
import { InsertPlan } from '../../src/streaming/insert-plan.ts';
import { readSegment } from '../../src/streaming/segment.ts';
import { Sorter, type Sorted } from '../../src/streaming/sorter.ts';
import { recordBatch } from '../helpers/records.ts';

const TABLE = {
  database: 'd',
  table: 'q',
  columns: [{ name: 'a', type: 'UInt64' }],
  usedVirtualColumns: [],
  options: { format: 'JSONEachRow', keyColumns: [], schema: '', formatSettings: {}, skipBrokenMessages: 0, skipBytes: 0 },
} as unknown as ManagedTable;

/** Sorts `count` messages of which those at `broken` are broken, by a server whose errors name no row; with the number of checks it was asked for. */
async function sort(count: number, broken: (offset: number) => boolean): Promise<{ readonly sorted: Sorted; readonly checks: number }> {
  let checks = 0;
  const sorter = new Sorter({
    plan: new InsertPlan(TABLE),
    table: TABLE,
    pool: new ChunkPool(new MemoryBudget(1e9)),
    partition: { topic: 't', partition: 0 },
    send: async (_request, body) => {
      checks += 1;
      const text = Buffer.concat(body).toString();
      if (text.includes('bad')) throw new ClickHouseException(444, 'BAD', 'It is corrupted: While executing SomeRowInputFormat');
      return Promise.resolve(text.match(/"a"/g)?.length ?? 0);
    },
  });
  const batch = recordBatch(Array.from({ length: count }, (_, i) => ({ value: broken(i) ? '{"a":"bad"}' : `{"a":${i}}` })));
  const sorted = await sorter.sort(readSegment([batch], { skipBytes: 0, tombstones: false }, 0, count));
  return { sorted, checks };
}

function offsets(messages: readonly { readonly offset: number }[]): number[] {
  return messages.map(({ offset }) => offset);
}

test('where every message is broken, each is checked little more than once, though the server does not say which it is', async (t) => {
  const { sorted, checks } = await sort(1000, () => true);
  t.deepEqual(offsets(sorted.broken.map(({ message }) => message)), [...Array(1000).keys()]);
  t.true(checks < 1300, `${checks} checks`);
});

test('one broken message among many is found in few checks', async (t) => {
  const { sorted, checks } = await sort(10_000, (offset) => offset === 7_654);
  t.deepEqual(offsets(sorted.broken.map(({ message }) => message)), [7_654]);
  t.is(sorted.together.length, 9_999);
  t.true(checks < 40, `${checks} checks`);
});

test('broken messages are found wherever they are', async (t) => {
  for (const every of [2, 3, 7, 9, 50, 64, 65, 200]) {
    for (const from of [0, 1, 8, 63]) {
      const isBroken = (offset: number): boolean => offset >= from && (offset - from) % every === 0;
      const { sorted } = await sort(300, isBroken);
      const all = [...Array(300).keys()];
      t.deepEqual(offsets(sorted.broken.map(({ message }) => message)), all.filter(isBroken), `each ${every}th from ${from} on`);
      t.deepEqual(
        offsets([...sorted.together, ...sorted.alone]).sort((a, b) => a - b),
        all.filter((offset) => !isBroken(offset)),
      );
    }
  }
});
