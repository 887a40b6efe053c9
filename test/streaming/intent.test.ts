import test from 'ava';
import fc from 'fast-check';
import { deduplicationToken, intentBytes, newIntent, partOf, printIntents, readIntents, type Manner } from '../../src/streaming/intent.ts';

const range = fc.record({
  topic: fc.constantFrom('github', 'a.b_c-d', 'checked', '0'),
  partition: fc.nat(),
  first: fc.nat({ max: 1e15 }),
  count: fc.integer({ min: 1, max: 1e9 }),
});
const intent = fc
  .record({ manner: fc.constantFrom<Manner[]>('together', 'checked', 'alone'), ranges: fc.array(range, { minLength: 1, maxLength: 20 }) })
  .map(({ manner, ranges }) =>
    newIntent(
      manner,
      ranges.map(({ count, ...one }) => ({ ...one, next: one.first + count })),
    ),
  );

test('intents are read from a committed offset as they were written to it', (t) => {
  fc.assert(fc.property(fc.array(intent, { maxLength: 4 }), (intents) => t.deepEqual(readIntents(printIntents(intents)), intents)));
});

test('a person can read an intent', (t) => {
  const ranges = [
    { topic: 'github', partition: 0, first: 100, next: 150 },
    { topic: 'github', partition: 12, first: 7, next: 8 },
    { topic: 'gitlab', partition: 0, first: 0, next: 3 },
  ];
  t.is(
    printIntents([
      { id: 'mfa2k0x1', manner: 'together', ranges },
      { id: 'mfa2k0x2', manner: 'checked', ranges: ranges.slice(2) },
    ]),
    'sluice: mfa2k0x1 github 0:100+50 12:7+1 gitlab 0:0+3; mfa2k0x2/checked gitlab 0:0+3',
  );
  t.is(printIntents([]), '');
});

test("other people's metadata hold no intents, and what is not understood is told apart", (t) => {
  for (const foreign of ['', 'consumer-1', '{"a":1}']) t.deepEqual(readIntents(foreign), []);
  for (const wrong of ['sluice: ', 'sluice: x', 'sluice: x 0:1+2', 'sluice: x/other t 0:1+2', 'sluice: x t 0:1+2; y'])
    t.is(readIntents(wrong), undefined);
});

test('each intent has an id and a token of its own, also over the same offsets', (t) => {
  const ranges = [{ topic: 't', partition: 0, first: 0, next: 1 }];
  const tokens = new Set(Array.from({ length: 1000 }, () => deduplicationToken({ intent: newIntent('together', ranges) })));
  t.is(tokens.size, 1000);
});

test('other messages have another part', (t) => {
  t.is(partOf('good', [1, 2]), partOf('good', [1, 2]));
  t.not(partOf('good', [1, 2]), partOf('good', [12]));
  t.not(partOf('good', [1, 2]), partOf('good', [1, 2, 3]));
});

test('a hundred partitions fit into half of what a broker keeps for an offset', (t) => {
  const ranges = Array.from({ length: 100 }, (_, partition) => ({ topic: 'github', partition, first: 1e9, next: 1e9 + 5000 }));
  t.true(intentBytes(ranges) < 2048);
});
