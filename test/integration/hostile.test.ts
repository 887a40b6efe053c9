import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { readByBoth, ROW } from '../helpers/engines.ts';
import { useClickHouse } from '../helpers/index.ts';
import { insertEach } from '../helpers/plain-insert.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { METADATA, payloadsOf } from './formats/case.ts';
import { CASES } from './formats/cases.ts';
import { hostileMessages, TINY } from './formats/hostile.ts';

// HOSTILE_RUNS: topics for each format; HOSTILE_MESSAGES: of one topic; HOSTILE_SEED: of a run that failed; HOSTILE_SHRINK=1: look for the fewest messages.
const DEFAULT_MESSAGES = 20;
const RUNS = numberFrom('HOSTILE_RUNS', 1);
const MESSAGES = numberFrom('HOSTILE_MESSAGES', DEFAULT_MESSAGES);
const SEED = numberFrom('HOSTILE_SEED', Date.now() % 0x7fffffff);
const IS_SHRINKING = process.env['HOSTILE_SHRINK'] === '1';
const REPORTED = 5;

/** Titles of CASES: their messages are the good ones. A format is added by its line. */
const FORMATS = [
  ...['JSONEachRow', 'JSONStringsEachRow', 'JSONCompactEachRow', 'JSONCompactEachRowWithNames', 'JSONCompactEachRowWithNamesAndTypes'],
  ...['JSONCompactStringsEachRow', 'JSONCompactStringsEachRowWithNames', 'JSONAsString', 'JSONAsObject'],
  ...['CSV', 'CSV with another delimiter', 'CSVWithNames', 'CSVWithNamesAndTypes'],
  ...['TSV', 'TSVWithNames', 'TSVWithNamesAndTypes', 'TSVRaw', 'TSVRawWithNames', 'TSKV'],
  ...['CustomSeparated', 'CustomSeparatedWithNames', 'CustomSeparated with delimiters of its own', 'Values'],
  ...['LineAsString', 'RawBLOB', 'RowBinary', 'RowBinaryWithDefaults', 'MsgPack', 'BSONEachRow'],
  ...['Protobuf with a schema given as text', 'ProtobufSingle with a schema given as text', 'ProtobufList with a schema given as text'],
  ...['Avro', 'Native', 'Template', 'Regexp'],
];

ownClickHouse({ configXml: '<background_message_broker_schedule_pool_size>32</background_message_broker_schedule_pool_size>' });

for (const title of FORMATS) {
  test(`hostile messages become the same rows and errors as in the real engine, and harm no others: ${title}`, async (t) => {
    const { url } = await useClickHouse(t);
    const one = CASES[title];
    if (one === undefined) throw new Error(`no case is called ${title}`);
    const good = await payloadsOf(url, one);
    const property = fc.asyncProperty(hostileMessages(good, { min: IS_SHRINKING ? 0 : MESSAGES, max: MESSAGES }), async (hostile) => {
      await compare(t, { ...one, bytes: [...good, ...TINY, ...hostile] });
    });
    // The whole of a counterexample is a topic: what the comparison says of the messages that differ is short.
    const result = await fc.check(property, { seed: SEED, numRuns: RUNS, endOnFailure: !IS_SHRINKING });
    if (!result.failed) return t.pass();
    const seed = `run it again with HOSTILE_SEED=${SEED}${RUNS === 1 ? '' : ` HOSTILE_RUNS=${RUNS}`}${MESSAGES === DEFAULT_MESSAGES ? '' : ` HOSTILE_MESSAGES=${MESSAGES}`}`;
    t.fail(`${String(result.errorInstance)}\n${seed}`);
  });
}

interface HostileFeed {
  readonly bytes: readonly Buffer[];
  readonly columns: string;
  readonly format: string;
  readonly settings?: string;
  readonly maxMessageBytes?: number;
}

test('a value of 10 MB, whole and cut off, becomes the same row and error as in the real engine', async (t) => {
  const long = 'a"\\\\{}[],\\n'.repeat(1_000_000);
  const whole = Buffer.from(`{"id":1,"name":${JSON.stringify(long)}}`);
  const bytes = [
    Buffer.from('{"id":0}'),
    whole,
    whole.subarray(0, -1),
    Buffer.from('{"id":2}'),
    whole.subarray(1),
    Buffer.from('{"id":3}'),
  ];
  await compare(t, { bytes, columns: 'id UInt64, name String', format: 'JSONEachRow', maxMessageBytes: 32 * 1024 * 1024 });
  t.pass();
});

async function compare(t: ExecutionContext, { bytes, columns, format, settings, maxMessageBytes }: HostileFeed): Promise<void> {
  const messages = bytes.map((value, i) => ({
    ...METADATA[i % METADATA.length],
    value,
    partition: i % 2,
    timestamp: String(1_700_000_000_000 + i * 333),
  }));
  const streamMode = `kafka_handle_error_mode = 'stream'`;
  const both = await readByBoth(t, {
    columns,
    format,
    settings: settings === undefined ? streamMode : `${settings}, ${streamMode}`,
    messages,
    partitions: 2,
    ...(maxMessageBytes === undefined ? {} : { maxMessageBytes }),
  });
  const native = byMessage(both.native);
  const gateway = byMessage(both.gateway);
  const differs = bytes.some((_, i) => native.get(placeOf(i))?.rows !== gateway.get(placeOf(i))?.rows);
  const alone =
    differs && PARSERS_THAT_REMEMBER.test(format)
      ? await plainly(t, { columns, format, settings }, bytes, [...both.gateway, ...both.native])
      : undefined;
  const wrong: string[] = [];
  const texts = new Set<string>();
  for (const [i, value] of bytes.entries()) {
    const [expected, actual] = [native, gateway].map((engine) => engine.get(placeOf(i)) ?? NOTHING) as [Outcome, Outcome];
    if (alone !== undefined && (alone.get(placeOf(i)) ?? NOTHING).rows === actual.rows) continue;
    if (expected.rows !== actual.rows) {
      wrong.push(
        `${format} ${JSON.stringify(value.toString('latin1').slice(0, 600))}\n  native:  ${show(expected)}\n  gateway: ${show(actual)}`,
      );
    } else if (expected.error !== actual.error)
      texts.add(
        `${format} ${JSON.stringify(value.toString('latin1').slice(0, 100))}\n  native:  ${expected.error}\n  gateway: ${actual.error}`,
      );
  }
  for (const text of [...texts].slice(0, REPORTED)) t.log(`another text: ${text}`);
  if (wrong.length === 0) return;
  const shortest = wrong.sort((a, b) => a.length - b.length).slice(0, REPORTED);
  throw new Error(`${wrong.length} of ${bytes.length} messages differ\n${shortest.join('\n')}`);
}

/**
 * In the server's own engine these parsers are not quite new for each message: MsgPack's goes on with what a broken message began, that of Values keeps to
 * expressions once it met one, and those of tab-separated rows take a carriage return for data once a first row ended without one, that of CustomSeparatedWithNames finds a lone line break
 * broken unless it is the first message. Where the engines differ, a message may then also be what it becomes alone, in a plain INSERT.
 */
const PARSERS_THAT_REMEMBER = /^(MsgPack|Values|T(SV|abSeparated).*|CustomSeparatedWithNames.*)$/;

/** Partition and offset of a topic's message, as its rows begin. */
function placeOf(index: number): string {
  return `${index % 2}\t${index >> 1}`;
}

async function plainly(
  t: ExecutionContext,
  feed: { columns: string; format: string; settings: string | undefined },
  bytes: readonly Buffer[],
  engineRows: readonly string[],
): Promise<Map<string, Outcome>> {
  const { outcomes, defaults } = await insertEach(
    t,
    { columns: feed.columns, format: feed.format, ...(feed.settings === undefined ? {} : { settings: feed.settings }) },
    bytes,
  );
  const virtual = new Map(engineRows.map((row) => [row.split('\t', 2).join('\t'), row.split('\t').slice(0, ROW.rawMessage)]));
  const expected: string[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    const head = virtual.get(placeOf(i)) ?? [placeOf(i)];
    if (bytes[i]?.length === 0) continue;
    if (outcome instanceof Error)
      expected.push([...head, tsvOf(bytes[i] ?? Buffer.alloc(0)), outcome.message.replaceAll(/[\t\n]/g, ' '), defaults].join('\t'));
    else expected.push(...outcome.map((row) => [...head, '', '', row].join('\t')));
  }
  return byMessage(expected);
}

/** As the server escapes strings in TSV. */
function tsvOf(bytes: Buffer): string {
  const escapes: Readonly<Record<string, string>> = {
    '\b': '\\b',
    '\f': '\\f',
    '\r': '\\r',
    '\n': '\\n',
    '\t': '\\t',
    '\0': '\\0',
    "'": "\\'",
    '\\': '\\\\',
  };
  return bytes.toString('latin1').replaceAll(/[\b\f\r\n\t\0'\\]/g, (character) => escapes[character] ?? character);
}

/** What one message became: its rows without the text of the error, but with a word whether there is one. */
interface Outcome {
  readonly rows: string;
  readonly error: string;
}

const NOTHING: Outcome = { rows: 'no row', error: '' };

function byMessage(rows: readonly string[]): Map<string, Outcome> {
  const outcomes = new Map<string, Outcome>();
  for (const row of rows) {
    const fields = row.split('\t');
    const error = fields[ROW.error] ?? '';
    fields[ROW.error] = error === '' ? '' : 'error';
    fields[ROW.topic] = 'topic';
    const at = `${fields[ROW.partition] ?? ''}\t${fields[ROW.offset] ?? ''}`;
    const before = outcomes.get(at);
    const line = fields.join('\t');
    outcomes.set(at, before === undefined ? { rows: line, error } : { rows: `${before.rows}\n${line}`, error: before.error + error });
  }
  return outcomes;
}

function show({ rows, error }: Outcome): string {
  return `${rows.slice(0, 900)}${error === '' ? '' : ` (${error.slice(0, 500)})`}`;
}

function numberFrom(name: string, otherwise: number): number {
  const text = process.env[name];
  return text === undefined || text === '' ? otherwise : Number(text);
}
