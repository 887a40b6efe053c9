import test from 'ava';
import fc from 'fast-check';
import { varuintBytes } from '../../../src/formats/index.ts';
import { BinaryRows } from '../../../src/producing/messages/binary-rows.ts';
import { LINE_SHAPES, LineRows, type LineShape } from '../../../src/producing/messages/line-rows.ts';
import { RenderedRows, type RowSink } from '../../../src/producing/messages/rendered-rows.ts';
import type { RowCutter } from '../../../src/producing/messages/row-cutter.ts';
import type { Traits } from '../../../src/producing/messages/traits.ts';

interface Row {
  readonly key: string | null;
  readonly value: string;
  readonly traits: Traits | undefined;
}

function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([varuintBytes(bytes.length), bytes]);
}

interface Encoding {
  readonly cutter: () => RowCutter;
  /** What can be a value in it. */
  readonly value: (text: string) => string;
  readonly encode: (row: Row, part: number, offset: number) => Buffer;
}

const BINARY: Encoding = { cutter: () => new BinaryRows(), value: (text) => text, encode };

function linesOf(shape: LineShape): Encoding {
  const beginning = shape.beginning ?? '';
  const hex = (bytes: Buffer): string => bytes.toString('hex').toUpperCase();
  return {
    cutter: () => new LineRows(shape),
    value: (text) => `${beginning}${text.replaceAll('\n', '')}\n`,
    encode: ({ key, value, traits }, part, offset) => {
      const head = `${part},${offset},${hex(packed(traits))},${key === null ? '-' : hex(Buffer.from(key))}`;
      return Buffer.from(`${shape.open}${head}${shape.close}${value.slice(beginning.length)}`);
    },
  };
}

const ENCODINGS: Readonly<Record<string, Encoding>> = {
  RowBinary: BINARY,
  ...Object.fromEntries(
    ['jsonstringseachrow', 'jsoncompactstringseachrow', 'tsv', 'tskv'].map((format) => [format, linesOf(LINE_SHAPES[format] as LineShape)]),
  ),
};

function encode({ key, value, traits }: Row, part: number, offset: number): Buffer {
  const position = Buffer.alloc(8);
  position.writeUInt32LE(part, 0);
  position.writeUInt32LE(offset, 4);
  return Buffer.concat([
    position,
    text(packed(traits)),
    key === null ? Buffer.from([1]) : Buffer.concat([Buffer.from([0]), text(key)]),
    text(value),
  ]);
}

function packed(traits: Traits | undefined): Buffer {
  if (traits === undefined) return Buffer.alloc(0);
  const fixed = Buffer.alloc(13);
  fixed.writeBigInt64LE(BigInt(traits.timestampMs), 0);
  fixed.writeInt32LE(traits.partition, 8);
  fixed[12] = traits.isTombstone ? 1 : 0;
  const headers = traits.headers ?? [];
  const list = (items: readonly Buffer[]): Buffer => Buffer.concat([varuintBytes(items.length), ...items.map(text)]);
  return Buffer.concat([fixed, list(headers.map(({ name }) => name)), list(headers.map(({ value }) => value))]);
}

function gathering(): { readonly rows: (Row & { readonly part: number })[]; readonly sink: RowSink } {
  const rows: (Row & { readonly part: number })[] = [];
  return {
    rows,
    sink: {
      row: (part, source, keyStart, keyEnd, valueStart, valueEnd, traits) => {
        const headers = traits?.headers?.map(({ name, value }) => ({ name: Buffer.from(name), value: Buffer.from(value) }));
        rows.push({
          part,
          key: keyStart === -1 ? null : source.toString('utf8', keyStart, keyEnd),
          value: source.toString('utf8', valueStart, valueEnd),
          traits: traits === undefined ? undefined : { ...traits, headers },
        });
      },
    },
  };
}

const anyText = fc.oneof(
  fc.string(),
  fc.integer({ min: 0, max: 300 }).map((n) => 'x'.repeat(n)),
  fc.integer({ min: 16_000, max: 17_000 }).map((n) => 'y'.repeat(n)),
);
const anyBytes = fc.string().map((some) => Buffer.from(some));
const anyRow: fc.Arbitrary<Row> = fc.record({
  key: fc.option(anyText),
  value: anyText,
  traits: fc.option(
    fc.record({
      timestampMs: fc.constantFrom(-1, 1, 1_700_000_000_123),
      partition: fc.integer({ min: -1, max: 7 }),
      isTombstone: fc.boolean(),
      headers: fc.option(fc.array(fc.record({ name: anyBytes, value: anyBytes }), { minLength: 1, maxLength: 3 }), { nil: undefined }),
    }),
    { nil: undefined },
  ),
});

for (const [name, { cutter, value, encode }] of Object.entries(ENCODINGS)) {
  test(`rows are told as they are, wherever the pieces of the answer end: ${name}`, (t) => {
    fc.assert(
      fc.property(
        fc.array(
          fc.array(
            anyRow.map((row) => ({ ...row, value: value(row.value) })),
            { minLength: 1, maxLength: 8 },
          ),
          { minLength: 1, maxLength: 4 },
        ),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 }),
        (parts, sizes) => {
          const bytes = Buffer.concat(parts.flatMap((rows, part) => rows.map((row, offset) => encode(row, part, offset))));
          const { rows, sink } = gathering();
          const expectedRows = parts.map(({ length }) => length);
          const rendered = new RenderedRows(cutter(), expectedRows, sink);
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = sizes[i % sizes.length] as number;
            rendered.take(bytes.subarray(at, at + size));
            at += size;
          }
          rendered.end();
          t.deepEqual(
            rows,
            parts.flatMap((those, part) => those.map((row) => ({ ...row, part }))),
          );
        },
      ),
      { numRuns: 200 },
    );
  });
}

test('a line that is no row of the outbox is an error', (t) => {
  const { cutter } = ENCODINGS['jsonstringseachrow'] as Encoding;
  for (const line of ['{"_sluice_row":"0,0,-","a":1}\n', '{"a":1}\n', '\n', '{"_sluice_row":"0,0,,-"}\n', '{"exception":"Code: 1"}\n']) {
    const rendered = new RenderedRows(cutter(), [2], gathering().sink);
    const read = (): void => {
      rendered.take(Buffer.from(line));
      rendered.end();
    };
    t.throws(read, { message: 'the outbox answered a line that is no row of it' }, line);
  }
});

test('rows that are missing, doubled or in another order are an error', (t) => {
  const row: Row = { key: null, value: 'v', traits: undefined };
  const read = (expected: readonly number[], places: readonly (readonly [number, number])[]): void => {
    const rendered = new RenderedRows(new BinaryRows(), expected, gathering().sink);
    rendered.take(Buffer.concat(places.map(([part, offset]) => encode(row, part, offset))));
    rendered.end();
  };
  t.notThrows(() => {
    read(
      [2, 1],
      [
        [0, 0],
        [0, 1],
        [1, 0],
      ],
    );
  });
  for (const places of [
    [
      [0, 0],
      [0, 1],
    ],
    [
      [0, 1],
      [0, 0],
      [1, 0],
    ],
    [
      [1, 0],
      [0, 0],
      [0, 1],
    ],
    [
      [0, 0],
      [0, 0],
      [0, 1],
      [1, 0],
    ],
    [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ],
  ] as const) {
    t.throws(
      () => {
        read([2, 1], places);
      },
      { message: /the server answered/ },
    );
  }
});

test('rows of no part are as many as come, and what is no row, such as the text of an exception, is an error', (t) => {
  const row: Row = { key: 'k', value: 'v', traits: undefined };
  const bytes = Buffer.concat([encode(row, 0, 0), encode(row, 0, 0)]);
  const { rows, sink } = gathering();
  const rendered = new RenderedRows(new BinaryRows(), undefined, sink);
  rendered.take(bytes);
  rendered.end();
  t.deepEqual([rows.length, rendered.rows], [2, 2]);
  for (const end of ['Code: 395. DB::Exception: no more', '\0\0\0\0', 'x']) {
    const broken = new RenderedRows(new BinaryRows(), undefined, gathering().sink);
    t.throws(() => {
      broken.take(Buffer.concat([bytes, Buffer.from(end.repeat(20))]));
      broken.end();
    });
  }
});
