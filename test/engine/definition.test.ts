import test from 'ava';
import { readDefinition, readPublicDefinition, withUserComment, writeDefinition, type Definition } from '../../src/engine/index.ts';
import { ClickHouseException } from '../../src/errors.ts';

const DEFINITION: Definition = {
  statement: "CREATE TABLE q (a Int8) ENGINE = Kafka('b', 't', 'g', 'CSV')",
  engine: "ENGINE = Kafka('b', 't', 'g', 'CSV')",
  comment: "it's\nmine",
  settings: { kafka_broker_list: 'b' },
  added: ['_topic'],
};
const WITH_SECRET: Definition = {
  ...DEFINITION,
  settings: { kafka_sasl_password: 'hunter2', format_avro_schema_registry_url: 'http://u:hunter3@h/' },
};

test('a definition is read back as it was written', (t) => {
  t.deepEqual(readDefinition(writeDefinition(DEFINITION, undefined), undefined), { ok: true, definition: DEFINITION, secrets: {} });
});

test('a definition is one line and names its version', (t) => {
  t.regex(writeDefinition(DEFINITION, undefined), /^sluice:1:\{.*\}$/);
});

test('secrets are sealed and come back with the key', (t) => {
  const comment = writeDefinition(WITH_SECRET, 'key');
  t.notRegex(comment, /hunter/);
  t.regex(comment, /"kafka_sasl_password":"\[HIDDEN\]"/);
  const read = readDefinition(comment, 'key');
  t.deepEqual(read.ok && read.definition, WITH_SECRET);
});

test('the same secret is sealed differently each time', (t) => {
  t.not(writeDefinition(WITH_SECRET, 'key'), writeDefinition(WITH_SECRET, 'key'));
});

test('secrets without a key, or with another one, are not read, and the reason is told', (t) => {
  const comment = writeDefinition(WITH_SECRET, 'key');
  t.like(readDefinition(comment, 'other'), {
    ok: false,
    reason: 'the secrets of its definition cannot be read: they were sealed with another SLUICE_SECRET_KEY',
  });
  t.like(readDefinition(comment, undefined), {
    ok: false,
    reason: 'the secrets of its definition cannot be read: the gateway has no SLUICE_SECRET_KEY',
  });
  t.is(readPublicDefinition(comment)?.engine, DEFINITION.engine);
});

test('secrets are not accepted when there is no key to seal them with', (t) => {
  const error = t.throws(() => writeDefinition(WITH_SECRET, undefined), { instanceOf: ClickHouseException });
  t.is(error.exceptionName, 'SUPPORT_IS_DISABLED');
  t.regex(error.text, /SLUICE_SECRET_KEY/);
  t.notRegex(error.text, /hunter/);
});

for (const comment of [
  'sluice:2:{}',
  'sluice:1:{',
  'sluice:1:{}',
  'sluice:1:null',
  'sluice:',
  'sluice:1:{"statement":1}',
  'anything',
  '',
]) {
  test(`${JSON.stringify(comment)} is refused with a reason`, (t) => {
    const read = readDefinition(comment, 'key');
    t.false(read.ok);
    t.regex(read.ok ? '' : read.reason, /definition/);
  });
}

test("the user's comment can be changed without touching the rest, even without the key", (t) => {
  const changed = withUserComment(writeDefinition(WITH_SECRET, 'key'), 'new');
  const read = readDefinition(changed ?? '', 'key');
  t.deepEqual(read.ok && read.definition, { ...WITH_SECRET, comment: 'new' });
});
