import test from 'ava';
import { waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

const COLUMNS = '(id UInt64)';
const ROUNDS = 5;
const ROWS = 20;

function rows(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => JSON.stringify({ id: from + i }));
}

/** What the group has committed, and what of it is begun and not finished. */
async function committed({ kafka, group }: Stream): Promise<{ readonly offset: bigint; readonly metadata: string } | undefined> {
  const [one] = await kafka.groupOffsets(group);
  return one && { offset: one.offset, metadata: one.metadata };
}

/** Asks without a pause. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 90_000;
  while (!(await condition())) if (Date.now() > endMs) throw new Error('gave up after 90 s');
}

test.serial(
  'whatever is in when a table is detached is committed, so that ATTACH repeats no row, even where the target remembers none',
  async (t) => {
    const stream = await useStream(t);
    await stream.sql(
      `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
      `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`,
      'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue',
    );
    for (let total = ROWS; total <= ROUNDS * ROWS; total += ROWS) {
      await stream.kafka.produce(stream.topic, rows(total - ROWS, total));
      // As soon as a row can be seen: the commit that follows it is still to come.
      await until(async () => Number(await stream.direct('SELECT count() FROM target')) >= total);
      await stream.sql('DETACH TABLE queue');
      t.deepEqual(await committed(stream), { offset: BigInt(total), metadata: '' });
      await stream.sql('ATTACH TABLE queue');
    }
    t.is(await stream.sql('SELECT count(), uniqExact(id) FROM target'), `${ROUNDS * ROWS}\t${ROUNDS * ROWS}`);
  },
);

test.serial('DETACH waits for an INSERT that the server is applying, for seconds', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, rows(0, ROWS));
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`,
    // 4 seconds.
    'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue WHERE sleepEachRow(0.2) = 0 SETTINGS function_sleep_max_microseconds_per_block = 0',
  );
  await waitFor(async () => (await stream.direct("SELECT count() FROM system.processes WHERE query_kind = 'Insert'")) !== '0');
  await stream.sql('DETACH TABLE queue');
  t.deepEqual(await committed(stream), { offset: BigInt(ROWS), metadata: '' });
  await stream.sql('ATTACH TABLE queue');
  await stream.kafka.produce(stream.topic, rows(ROWS, ROWS + 1));
  await stream.answers('SELECT count(), uniqExact(id) FROM target', `${ROWS + 1}\t${ROWS + 1}`);
});
