import test from 'ava';
import fc from 'fast-check';
import { Batch, blockRows, ChunkPool, CHUNK_BYTES, fullReason, MemoryBudget, untilFlushMs } from '../../src/batching/index.ts';

function write(batch: Batch, text: string): void {
  const bytes = Buffer.from(text);
  batch.ensure(bytes.length);
  bytes.copy(batch.chunk, batch.position);
  batch.position += bytes.length;
}

test('a batch gives back the bytes of its messages in order, whatever their sizes', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: CHUNK_BYTES * 1.5 }), fc.boolean()), { maxLength: 8 }), (parts) => {
      const budget = new MemoryBudget(1e9);
      const batch = new Batch(new ChunkPool(budget));
      batch.begin(1, 0);
      let expected = '';
      parts.forEach(([size, isKept], i) => {
        const text = String.fromCharCode(97 + i).repeat(size);
        write(batch, text);
        if (isKept) {
          batch.endMessage(i, 1);
          expected += text;
        } else batch.rollback();
      });
      t.is(Buffer.concat(batch.body()).toString(), expected);
      t.is(batch.bytes, expected.length);
      batch.release();
      t.is(budget.usedBytes, 0);
    }),
    { numRuns: 50 },
  );
});

test('notes beside the body are taken back with their message, and their memory with the batch', (t) => {
  const budget = new MemoryBudget(1e9);
  const batch = new Batch(new ChunkPool(budget));
  const note = (text: string) => {
    batch.notes.ensure(text.length);
    batch.notes.position += batch.notes.chunk.write(text, batch.notes.position);
  };
  batch.begin(1, 0);
  write(batch, 'body');
  note('one');
  batch.endMessage(0, 1);
  write(batch, 'gone');
  note('gone');
  batch.rollback();
  note('two');
  batch.endMessage(1, 1);
  t.is(Buffer.concat(batch.notes.body()).toString(), 'onetwo');
  t.is(batch.bytes, 10);
  t.is(batch.bodyBytes, 4);
  batch.release();
  t.is(budget.usedBytes, 0);
});

test('every row leads back to its message', (t) => {
  const batch = new Batch(new ChunkPool(new MemoryBudget(1e9)));
  batch.begin(1, 10);
  batch.endMessage(10, 1);
  batch.endMessage(11, 1);
  batch.endMessage(13, 3); // offset 12 is a gap
  batch.begin(2, 5);
  batch.endMessage(5, 0);
  batch.endMessage(6, 1);
  const messages = [0, 1, 2, 3, 4, 5].map((row) => batch.messageOfRow(row));
  t.deepEqual(
    messages.map((message) => message && `${message.source}:${message.offset}`),
    ['1:10', '1:11', '1:13', '1:13', '1:13', '2:6'],
  );
  t.is(batch.messageOfRow(6), undefined);
  t.is(batch.messageOfRow(-1), undefined);
});

test('a batch covers offsets that bring no row, and only those it was told of', (t) => {
  const batch = new Batch(new ChunkPool(new MemoryBudget(1e9)));
  t.true(batch.coversNothing);
  batch.begin(1, 7);
  t.true(batch.coversNothing);
  t.deepEqual(batch.ranges, []);
  batch.cover(9);
  batch.begin(2, 0);
  batch.begin(1, 9);
  batch.cover(12);
  t.deepEqual(batch.ranges, [{ source: 1, first: 7, next: 12 }]);
  t.false(batch.coversNothing);
});

test('a block closes between polls, as in the real engine', (t) => {
  t.is(blockRows(6, 4), 8);
  t.is(blockRows(3, 65_409), 3);
  t.is(blockRows(1_048_449, 65_409), 1_111_953);
  t.is(blockRows(1, 1), 1);
});

test('a batch is due by rows, bytes or age, whichever comes first', (t) => {
  const limits = { maxRows: 10, maxBytes: 100, eagerBytes: 50, flushIntervalMs: 7_500 };
  t.is(fullReason(limits, 9, 99, false), undefined);
  t.is(fullReason(limits, 10, 0, false), 'rows');
  t.is(fullReason(limits, 0, 100, false), 'bytes');
  t.is(fullReason(limits, 0, 50, true), 'bytes', 'a server that has nothing to do gets less');
  t.is(untilFlushMs(limits, 1_000, 2_000), 6_500);
});
