import test from 'ava';
import fc from 'fast-check';
import { RowHead } from '../../src/formats/row-head.ts';

const NAMED = { beforePosition: '{"p":', afterPosition: ',"t":', afterTimestamp: '' };
const QUOTED = { beforePosition: '["', afterPosition: '"', afterTimestamp: '' };

interface Row {
  readonly source: number;
  readonly offset: number;
  readonly timestampMs: number;
}

function textOf(head: RowHead, { source, offset, timestampMs }: Row): string {
  head.set(source, offset, timestampMs);
  return head.bytes.toString('latin1', 0, head.length);
}

/** Offsets and timestamps that follow each other as in a partition, and now and then jump. */
const rows = fc
  .array(
    fc.record({
      source: fc.constantFrom(1, 1, 1, 2, 9999),
      step: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(1, 1, 2, 9, 90) }, fc.integer({ min: -(10 ** 14), max: 10 ** 14 })),
      ms: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(0, 0, 1, 7, 999) }, fc.integer({ min: -(10 ** 13), max: 10 ** 13 })),
    }),
    { maxLength: 40 },
  )
  .chain((steps) => fc.constantFrom(0, 1, 8, 95, 999_990, 10 ** 14).map((start) => ({ start, steps })));

test('the head of a row is right whatever the row before it had', (t) => {
  fc.assert(
    fc.property(rows, ({ start, steps }) => {
      const heads = [
        new RowHead({ position: true, timestamp: true }, NAMED),
        new RowHead({ position: false, timestamp: true }, NAMED),
        new RowHead({ position: true, timestamp: false }, QUOTED),
        new RowHead({ position: false, timestamp: false }, QUOTED),
      ];
      let [offset, timestampMs] = [start, 1_700_000_000_000];
      for (const { source, step, ms } of steps) {
        offset = Math.max(0, Math.min(offset + step, 999_999_999_999_999));
        timestampMs = Math.max(-1, timestampMs + ms);
        const position = String(BigInt(offset) * 10_000n + BigInt(source));
        const texts = heads.map((head) => textOf(head, { source, offset, timestampMs }));
        t.deepEqual(texts, [`{"p":${position},"t":${timestampMs}`, `{"p":${source},"t":${timestampMs}`, `["${position}"`, `["${source}"`]);
      }
    }),
    { numRuns: 500 },
  );
});
