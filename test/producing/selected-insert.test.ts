import test from 'ava';
import type { RowsSelect } from '../../src/producing/messages/index.ts';
import { SelectedInsert } from '../../src/producing/selected-insert.ts';

const NOTHING = {} as RowsSelect;
const others = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `id${from + i}`);

function uncertain(before: readonly string[]): SelectedInsert {
  const insert = new SelectedInsert(NOTHING, new AbortController().signal);
  insert.begin(before);
  insert.rows = 5;
  insert.uncertain(60_000);
  return insert;
}

test('an insert whose commit was not answered is sent when its id was committed', async (t) => {
  const insert = uncertain(['id0']);
  insert.giveUp();
  t.false(insert.isOver);
  insert.decide(['id0', insert.id, 'id1']);
  t.is(await insert.outcome, 5);
  t.true(insert.isOver);
});

test('it is not sent when its id would be there, were it committed', async (t) => {
  for (const [before, after] of [
    [[], []],
    [[], others(0, 15)],
    [others(0, 16), others(0, 16)],
    [others(0, 16), others(1, 17)],
  ] as const) {
    const insert = uncertain(before);
    insert.decide(after);
    t.is(await insert.outcome, undefined);
  }
});

test('it is not known when so many came since that its id may have been left out', async (t) => {
  for (const before of [[], others(0, 16)]) {
    const insert = uncertain(before);
    insert.decide(others(100, 116));
    await t.throwsAsync(insert.outcome, { message: /It is not known whether Kafka has the rows/ });
  }
});

test('as many ids are committed as may be needed, the newest last', (t) => {
  const insert = new SelectedInsert(NOTHING, new AbortController().signal);
  t.deepEqual(insert.begin(others(0, 16)), [...others(1, 16), insert.id]);
});

test('an insert that waits when its client leaves is not sent, one that is being sent goes on', async (t) => {
  const gone = new AbortController();
  const waiting = new SelectedInsert(NOTHING, gone.signal);
  const sending = new SelectedInsert(NOTHING, gone.signal);
  sending.begin([]);
  gone.abort();
  t.is(await waiting.outcome, undefined);
  t.false(sending.isOver);
  sending.sent();
  t.is(await sending.outcome, 0);
});
