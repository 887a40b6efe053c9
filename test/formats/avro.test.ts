import avro from 'avsc';
import test from 'ava';
import fc from 'fast-check';
import { recordSkipper } from '../../src/formats/avro-skipper.ts';

const SCHEMA: avro.Schema = {
  type: 'record',
  name: 'R',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'maybe', type: ['null', 'string', { type: 'record', name: 'In', fields: [{ name: 'x', type: 'double' }] }] },
    { name: 'again', type: ['null', 'In'] },
    { name: 'list', type: { type: 'array', items: 'int' } },
    { name: 'nothings', type: { type: 'array', items: 'null' } },
    { name: 'map', type: { type: 'map', values: { type: 'array', items: 'bytes' } } },
    { name: 'e', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] } },
    { name: 'fix', type: { type: 'fixed', name: 'F', size: 3 } },
    { name: 'b', type: 'boolean' },
    { name: 'f', type: 'float' },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
  ],
};

const TYPE = avro.Type.forSchema(SCHEMA, { wrapUnions: true });

const value = fc.record({
  id: fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
  maybe: fc.oneof(fc.constant(null), fc.record({ string: fc.string() }), fc.record({ In: fc.record({ x: fc.double() }) })),
  again: fc.oneof(fc.constant(null), fc.record({ In: fc.record({ x: fc.double() }) })),
  list: fc.array(fc.integer()),
  nothings: fc.constant([]),
  map: fc.dictionary(fc.string(), fc.array(fc.uint8Array().map((bytes) => Buffer.from(bytes)))),
  e: fc.constantFrom('A', 'B'),
  fix: fc.constant(Buffer.from('abc')),
  b: fc.boolean(),
  f: fc.float(),
  day: fc.nat(),
});

function skipperOf(schema: avro.Schema) {
  const skip = recordSkipper(JSON.stringify(schema));
  if (skip === undefined) throw new Error('not skipped');
  return skip;
}

const record = (type: unknown): avro.Schema => ({ type: 'record', name: 'R', fields: [{ name: 'a', type: type as avro.Schema }] });

test('where an Avro record ends is what avsc says, also when it is cut off or followed by another one', (t) => {
  const skip = skipperOf(SCHEMA);
  fc.assert(
    fc.property(value, fc.nat(), (record, cut) => {
      const bytes = TYPE.toBuffer(record);
      t.is(skip(bytes, 0, bytes.length), bytes.length);
      t.is(skip(Buffer.concat([bytes, bytes]), 0, 2 * bytes.length), bytes.length);
      t.is(skip(bytes, 0, cut % bytes.length), -1);
    }),
    { numRuns: 300 },
  );
});

test('an Avro number of 64 bits ends behind ten bytes', (t) => {
  const skip = skipperOf(record('long'));
  t.is(skip(Buffer.from('ffffffffffffffffff01', 'hex'), 0, 10), 10);
  t.is(skip(Buffer.from('ffffffffffffffffff01', 'hex'), 0, 9), -1);
});

test('any bytes at all are no Avro record, or one that ends within them', (t) => {
  const skip = skipperOf(SCHEMA);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const end = skip(Buffer.from(bytes), 0, bytes.length);
      t.true(end === -1 || (end > 0 && end <= bytes.length));
    }),
    { numRuns: 2000 },
  );
});

test('an Avro block that tells its bytes is skipped when it tells them rightly', (t) => {
  const skip = skipperOf(record({ type: 'array', items: 'int' }));
  const end = (hex: string): number => skip(Buffer.from(hex, 'hex'), 0, hex.length / 2);
  t.is(end('03' + '04' + '0204' + '00'), 5);
  t.is(end('03' + '02' + '0204' + '00'), -1);
  t.is(end('03' + '03' + '0204' + '00'), -1);
  t.is(end('ffffffffffffffffff01' + '04' + '0204' + '00'), -1);
  t.is(end('ffffffffffffffffffff01'), -1);
});

test('Avro items without bytes are not counted for ever', (t) => {
  const skip = skipperOf(record({ type: 'array', items: 'null' }));
  t.is(skip(Buffer.from('feffffffffffffff7f00', 'hex'), 0, 10), -1);
});

test('Avro schemas that the server refuses, or that hold themselves, are not skipped', (t) => {
  for (const schema of [
    '"string"',
    '["null", "int"]',
    '{',
    '{"type":"record"}',
    JSON.stringify(record('later')),
    JSON.stringify(record(['null', 'R'])),
  ])
    t.is(recordSkipper(schema), undefined, schema);
});

test('an Avro schema that doubles at every level is read at once', (t) => {
  let type: unknown = 'int';
  const fields = (one: unknown, name: string) => [
    { name: 'a', type: one },
    { name: 'b', type: name },
  ];
  for (let i = 0; i < 40; i++) {
    const name = typeof type === 'string' ? type : (type as { name: string }).name;
    type = { type: 'record', name: `R${i}`, fields: fields(type, name) };
  }
  t.not(recordSkipper(JSON.stringify(type)), undefined);
});
