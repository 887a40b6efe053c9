import test from 'ava';
import {
  placeOfDatabase,
  placeOfUuid,
  readDefinition,
  readPublicDefinition,
  renewDefinition,
  withUserComment,
  writeDefinition,
  type Definition,
} from '../../src/engine/index.ts';
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

const KEYS = { current: 'the key of the test' };
const OTHER_KEYS = { current: 'another key of the test' };
const NO_KEYS = { current: undefined };
const TABLE = { database: 'db', uuid: '11111111-2222-4333-8444-555555555555' };
const OTHER_TABLE = { ...TABLE, uuid: '99999999-2222-4333-8444-555555555555' };
const PLACE = placeOfUuid(TABLE.uuid);

const write = (definition: Definition = WITH_SECRET, keys: Parameters<typeof writeDefinition>[2] = KEYS): string =>
  writeDefinition(definition, PLACE, keys);

/** What the first builds wrote, by a key that was 'the key of the test'. */
const FIRST = `sluice:1:${JSON.stringify(DEFINITION)}`;
const FIRST_WITH_SECRET =
  'sluice:1:{"statement":"s","engine":"e","comment":"","settings":{"kafka_broker_list":"b","kafka_sasl_password":"[HIDDEN]"},"added":[],"sealed":"Z/aP3jGpkVLNYQusiU//FV6v2r7zCcU7SRG3u8ql5oI0hZYVE8r2od+OhjEv8i083K4f7RI786R0Z598kw=="}';

test('a definition is read back as it was written', (t) => {
  t.deepEqual(readDefinition(write(DEFINITION), TABLE, KEYS), { ok: true, definition: DEFINITION, secrets: {} });
  t.deepEqual(readDefinition(write(DEFINITION, NO_KEYS), TABLE, NO_KEYS), { ok: true, definition: DEFINITION, secrets: {} });
});

test('a definition is one line and names its version', (t) => {
  t.regex(write(DEFINITION, NO_KEYS), /^sluice:2:\{.*\}$/);
});

test('secrets are sealed and come back with the key', (t) => {
  const comment = write();
  t.notRegex(comment, /hunter/);
  t.regex(comment, /"kafka_sasl_password":"\[HIDDEN\]"/);
  const read = readDefinition(comment, TABLE, KEYS);
  t.deepEqual(read.ok && read.definition, WITH_SECRET);
});

test('the same secret is sealed differently each time', (t) => {
  t.not(write(), write());
});

test('without the key, or with another one, a definition is not read, and the reason is told', (t) => {
  const comment = write();
  const other = readDefinition(comment, TABLE, OTHER_KEYS);
  t.regex(other.ok ? '' : other.reason, /^its definition was signed with another SLUICE_SECRET_KEY, or changed past the gateways: /);
  t.like(readDefinition(comment, TABLE, NO_KEYS), {
    ok: false,
    reason: 'the secrets of its definition cannot be read: the gateway has no SLUICE_SECRET_KEY',
  });
  t.is(readPublicDefinition(comment)?.engine, DEFINITION.engine);
});

test('a definition without secrets is read without a key, whoever signed it', (t) => {
  t.true(readDefinition(write(DEFINITION), TABLE, NO_KEYS).ok);
});

test('an old key reads while the key is changed', (t) => {
  const read = readDefinition(write(), TABLE, { current: 'a new key of the test', old: KEYS.current });
  t.deepEqual(read.ok && read.definition, WITH_SECRET);
});

test('secrets are not accepted when there is no key to seal them with', (t) => {
  const error = t.throws(() => write(WITH_SECRET, NO_KEYS), { instanceOf: ClickHouseException });
  t.is(error.exceptionName, 'SUPPORT_IS_DISABLED');
  t.regex(error.text, /SLUICE_SECRET_KEY.*openssl rand -base64 32/s);
  t.notRegex(error.text, /hunter/);
});

for (const comment of [
  'sluice:3:{}',
  'sluice:2:{',
  'sluice:2:{}',
  'sluice:2:null',
  'sluice:',
  'sluice:2:{"statement":1}',
  'anything',
  '',
]) {
  test(`${JSON.stringify(comment)} is refused with a reason`, (t) => {
    const read = readDefinition(comment, TABLE, KEYS);
    t.false(read.ok);
    t.regex(read.ok ? '' : read.reason, /definition/);
  });
}

test('a definition with any character changed, left out or doubled is refused', (t) => {
  // Without a comment of the user's, which anybody may change who may change comments.
  for (const definition of [
    { ...DEFINITION, comment: '' },
    { ...WITH_SECRET, comment: '' },
  ]) {
    const comment = write(definition);
    for (let at = 0; at < comment.length; at += 1) {
      const [head, character, tail] = [comment.slice(0, at), comment.charAt(at), comment.slice(at + 1)];
      const other = character === 'a' ? 'b' : 'a';
      for (const changed of [head + other + tail, head + tail, head + character + character + tail, `${head} ${character}${tail}`]) {
        const read = readDefinition(changed, TABLE, KEYS);
        const isUsersComment = read.ok && read.definition.comment !== '';
        if (read.ok && !isUsersComment) t.fail(`character ${at} became ${changed.slice(at - 10, at + 10)}`);
      }
    }
  }
  t.pass();
});

test('a definition copied to another table is refused, without its signature as well', (t) => {
  const comment = write();
  const moved = readDefinition(comment, OTHER_TABLE, KEYS);
  t.regex(moved.ok ? '' : moved.reason, /^its definition was signed for another table \(uuid:11111111-.*--sign-moved/);
  const unsigned = readDefinition(comment.replace(/,"signature":"[^"]*"/, ''), OTHER_TABLE, KEYS);
  t.regex(unsigned.ok ? '' : unsigned.reason, /^its definition is not signed, .*--sign-unsigned/);
});

test('a sealed password is worth nothing in another definition, also when somebody signs that', (t) => {
  const { sealed } = JSON.parse(write().slice('sluice:2:'.length)) as { sealed: string };
  const forged = { ...DEFINITION, settings: { kafka_broker_list: 'evil:9092', kafka_sasl_password: '[HIDDEN]' }, place: PLACE, sealed };
  const renewal = renewDefinition(`sluice:2:${JSON.stringify(forged)}`, TABLE, PLACE, KEYS);
  t.deepEqual(renewal, {
    kind: 'unreadable',
    reason: 'the secrets of its definition cannot be read: they were sealed with another SLUICE_SECRET_KEY',
  });
  const first = renewDefinition(`sluice:1:${JSON.stringify({ ...forged, place: undefined })}`, TABLE, PLACE, KEYS);
  t.is(first.kind, 'unreadable');
});

test('where a table has no UUID of the gateway’s choice its definition holds in its database, and in no other', (t) => {
  const comment = writeDefinition(WITH_SECRET, placeOfDatabase('db'), KEYS);
  t.true(readDefinition(comment, OTHER_TABLE, KEYS).ok);
  t.false(readDefinition(comment, { ...TABLE, database: 'other' }, KEYS).ok);
});

test('definitions of the first builds are refused where there is a key, and read where there is none', (t) => {
  const read = readDefinition(FIRST, TABLE, KEYS);
  t.regex(read.ok ? '' : read.reason, /^its definition is not signed, .*sluice rotate-secret-key.*--sign-unsigned/);
  t.deepEqual(readDefinition(FIRST, TABLE, NO_KEYS), { ok: true, definition: DEFINITION, secrets: {} });
});

test('a new key seals and signs what the old one did, and what is done already is left alone', (t) => {
  const keys = { current: 'a new key of the test', old: KEYS.current };
  const renewal = renewDefinition(write(), TABLE, PLACE, keys);
  t.is(renewal.kind, 'renewed');
  const comment = renewal.kind === 'renewed' ? renewal.comment : '';
  t.deepEqual(readDefinition(comment, TABLE, { current: keys.current }), readDefinition(write(), TABLE, KEYS));
  t.deepEqual(renewDefinition(comment, TABLE, PLACE, keys), { kind: 'current' });
});

test('what the first builds sealed is sealed and signed anew, when a person agrees', (t) => {
  const renewal = renewDefinition(FIRST_WITH_SECRET, TABLE, PLACE, KEYS);
  t.is(renewal.kind, 'unsigned');
  const read = readDefinition(renewal.kind === 'unsigned' ? renewal.comment : '', TABLE, KEYS);
  t.deepEqual(read.ok && read.definition.settings, { kafka_broker_list: 'b', kafka_sasl_password: 'hunter2' });
});

test('a definition that came to another table is signed for it, when a person agrees', (t) => {
  const renewal = renewDefinition(write(), OTHER_TABLE, placeOfUuid(OTHER_TABLE.uuid), KEYS);
  t.is(renewal.kind, 'moved');
  const read = readDefinition(renewal.kind === 'moved' ? renewal.comment : '', OTHER_TABLE, KEYS);
  t.deepEqual(read.ok && read.definition, WITH_SECRET);
});

test("the user's comment can be changed without touching the rest, even without the key", (t) => {
  const changed = withUserComment(write(), 'new');
  const read = readDefinition(changed ?? '', TABLE, KEYS);
  t.deepEqual(read.ok && read.definition, { ...WITH_SECRET, comment: 'new' });
  t.regex(withUserComment(FIRST, 'new') ?? '', /^sluice:1:.*"comment":"new"/);
});
