import test from 'ava';
import { fullSentence } from '../../src/producing/limits.ts';
import { partsForOneTransaction, partsToDrop } from '../../src/producing/part-choice.ts';
import { committedPosition, readPosition, readSelected, splitAt, type Part } from '../../src/producing/position.ts';

const MIB = 1024 * 1024;

function part(block: number, size: Partial<Part> = {}): Part {
  const uuid = `00000000-0000-4000-8000-${String(block).padStart(12, '0')}`;
  return { name: `all_${block}_${block}_0`, uuid, block, rows: 10, bytes: 1_000, insertedAtMs: 0, ...size };
}

const PARTS = [1, 2, 3, 4].map((block) => part(block));
const blocks = (parts: readonly Part[]): number[] => parts.map(({ block }) => block);

test('what was inserted before the position is sent, what came after it is not', (t) => {
  const { sent, unsent } = splitAt(PARTS, PARTS[1]);
  t.deepEqual(
    [blocks(sent), blocks(unsent)],
    [
      [1, 2],
      [3, 4],
    ],
  );
});

test('without a position nothing is sent', (t) => {
  t.deepEqual(blocks(splitAt(PARTS, undefined).unsent), [1, 2, 3, 4]);
});

test('when the last part that was sent is gone, all that is there came later, whatever its block numbers', (t) => {
  t.deepEqual(blocks(splitAt(PARTS, part(900)).unsent), [1, 2, 3, 4]);
  t.deepEqual(blocks(splitAt(PARTS, { block: 2, uuid: 'of another part with that number' }).unsent), [1, 2, 3, 4]);
});

test('the position is read back from what is committed, and is readable', (t) => {
  const committed = committedPosition(part(7), []);
  t.is(committed.metadata, 'sluice: 00000000-0000-4000-8000-000000000007 all_7_7_0 is sent');
  t.deepEqual(readPosition(committed), { block: 7, uuid: part(7).uuid });
  t.deepEqual(readSelected(committed), []);
  const both = committedPosition({ block: 7, uuid: part(7).uuid }, ['0a', '0b']);
  t.deepEqual([readPosition(both), readSelected(both)], [{ block: 7, uuid: part(7).uuid }, ['0a', '0b']]);
  const selected = committedPosition(undefined, ['0a']);
  t.deepEqual([selected.offset, readPosition(selected), readSelected(selected)], [0n, undefined, ['0a']]);
  t.is(readPosition({ offset: -1n, metadata: '' }), undefined);
  t.is(readPosition({ offset: 12n, metadata: 'somebody else wrote this' }), undefined);
});

test('small parts share a transaction, a large one has its own', (t) => {
  const large = part(3, { bytes: 300 * MIB, rows: 1_000_000 });
  t.deepEqual(blocks(partsForOneTransaction([part(1), part(2), large, part(4)], -1)), [1, 2]);
  t.deepEqual(blocks(partsForOneTransaction([large, part(4)], -1)), [3]);
  t.deepEqual(partsForOneTransaction([], -1), []);
});

test('after a failure each part goes alone until the one that failed is past', (t) => {
  t.deepEqual(blocks(partsForOneTransaction(PARTS, 2)), [1]);
  t.deepEqual(blocks(partsForOneTransaction(PARTS.slice(2), 2)), [3, 4]);
});

test('a sent part is dropped after ten minutes, the oldest first', (t) => {
  const sentAtMs = new Map(PARTS.map(({ uuid }, index) => [uuid, index * 60_000]));
  t.deepEqual(partsToDrop(PARTS, sentAtMs, 599_999), []);
  t.deepEqual(blocks(partsToDrop(PARTS, sentAtMs, 600_000)), [1]);
  t.deepEqual(blocks(partsToDrop(PARTS, sentAtMs, 720_000)), [1, 2, 3]);
  t.deepEqual(blocks(partsToDrop(PARTS, sentAtMs, 7_200_000)), [1, 2, 3, 4]);
});

test('sent parts are dropped earlier when there are more than a thousand or more than a GiB of them', (t) => {
  const many = Array.from({ length: 1_003 }, (_, index) => part(index + 1));
  t.deepEqual(blocks(partsToDrop(many, new Map(), 0)), [1, 2, 3]);
  const large = [1, 2, 3].map((block) => part(block, { bytes: 500 * MIB }));
  t.deepEqual(blocks(partsToDrop(large, new Map(), 0)), [1]);
});

const LIMITS = {
  maxRowsPerMessage: 1,
  mapsVirtualColumns: false,
  compressionCodec: '',
  compressionLevel: -1,
  partitioner: 'random',
  waitsForDelivery: true,
  deliveryTimeoutMs: 1,
  outboxMaxRows: 0,
  outboxMaxBytes: 0,
  outboxMaxAgeMs: 0,
  onDrop: 'wait',
} as const;
const TABLE = { database: 'db', table: 'q' };

test('an outbox without limits is never full', (t) => {
  t.is(fullSentence(TABLE, PARTS, LIMITS, false, undefined), undefined);
});

test('a full outbox says which limit it has reached and why nothing is sent', (t) => {
  const problem = 'Local: All broker connections are down';
  t.is(
    fullSentence(TABLE, PARTS, { ...LIMITS, outboxMaxRows: 30 }, false, problem),
    `The outbox of db.q is full: 40 rows wait to be sent, and kafka_outbox_max_rows = 30; nothing is sent now: ${problem}`,
  );
  t.regex(
    fullSentence(TABLE, PARTS, { ...LIMITS, outboxMaxBytes: 3_999 }, false, undefined) ?? '',
    /4000 bytes wait .* kafka_outbox_max_bytes = 3999$/,
  );
  t.regex(
    fullSentence(TABLE, PARTS, { ...LIMITS, outboxMaxAgeMs: 1_000 }, false, undefined) ?? '',
    /its oldest row has waited \d+ ms .* kafka_outbox_max_age_ms = 1000$/,
  );
});

test('an outbox refuses rows in its own words before it has more parts than the server allows', (t) => {
  const many = Array.from({ length: 95_001 }, (_, block) => part(block));
  t.is(
    fullSentence(TABLE, many, LIMITS, false, 'no broker'),
    'The outbox of db.q is full: the rows of 95001 INSERTs wait to be sent, and it takes 95000; nothing is sent now: no broker',
  );
  t.is(fullSentence(TABLE, many.slice(1), LIMITS, false, undefined), undefined);
});

test('a full outbox takes rows again when a tenth of its limit is free', (t) => {
  const limits = { ...LIMITS, outboxMaxRows: 40 };
  t.is(fullSentence(TABLE, PARTS, limits, false, undefined), undefined);
  t.not(fullSentence(TABLE, PARTS, limits, true, undefined), undefined);
  t.is(fullSentence(TABLE, PARTS.slice(1), limits, true, undefined), undefined);
});
