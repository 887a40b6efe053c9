// `npm run bench:formats`: the gateway against the native Kafka engine over the same topics, one for each format that is spliced.
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { splicedFormats } from '../../src/formats/index.ts';
import { startOwnClickHouse, type ClickHousePart } from '../parts/clickhouse.ts';
import { startOwnKafka } from '../parts/kafka.ts';
import { startRegistry } from '../parts/registry.ts';
import { measure, type Bench, type Source } from './measure.ts';
import { runAsProgram } from './program.ts';

const HELP = `npm run bench:formats -- [options]

Fills a topic for each format that the gateway splices (the native engine writes the messages, one row each), then reads it with the native engine (1 consumer) and with
the gateway (2 consumers), both with four virtual columns. Always starts its own Kafka, ClickHouse and schema registry.

  --rows N        messages of each topic, 500000 when absent
  --runs N        runs of each; the median of the ratios counts; 1 when absent
  --only A,B      some of the formats
  --json FILE     write the figures there, not to the last line of the output
  --help          show this
`;

const PARTITIONS = 4;

const ROW = { columns: 'id UInt64, k String, v Float64, t DateTime', orderBy: 'id' };
const ROW_VALUES = `number AS id, 'key' || toString(rand(1) % 99999) AS k, round(rand(2) / 6e6, 2) AS v, toDateTime('2026-01-01 00:00:00') + intDiv(number, 100) AS t`;
const TEXT = { columns: 'line String', orderBy: 'line' };
const TEXT_VALUES = `concat('{"id":', toString(number), ',"k":"key', toString(rand(1) % 99999), '","v":', toString(round(rand(2) / 6e6, 2)), '}') AS line`;
const PROTO = `syntax = "proto3"; message Row { uint64 id = 1; string k = 2; double v = 3; uint32 t = 4; }`;
const PROTO_SETTINGS = `format_schema_source = 'string', format_schema = '${PROTO}', format_schema_message_name = 'Row'`;

/** A format, and how its topic is made. */
interface FormatCase {
  readonly format: string;
  /** In which the native engine writes what `format` reads; the same when absent. */
  readonly writtenAs?: string;
  readonly shape: Source['shape'];
  readonly values: string;
  readonly settings?: string;
}

function caseOf(format: string, registryUrl: string): FormatCase {
  const row = { format, shape: ROW, values: ROW_VALUES };
  const text = { format, shape: TEXT, values: TEXT_VALUES, writtenAs: 'RawBLOB' };
  switch (format) {
    case 'rawblob':
    case 'lineasstring':
    case 'jsonasstring':
      return text;
    case 'jsonasobject':
      return { ...text, shape: { columns: 'line JSON', orderBy: 'offset' } };
    case 'rowbinarywithdefaults':
      // The server does not write it: a byte 0 in front of each value says that it is given.
      return { ...row, writtenAs: 'RowBinary', values: withZeros() };
    case 'protobuf':
    case 'protobufsingle':
    case 'protobuflist':
      return { ...row, settings: PROTO_SETTINGS };
    case 'avroconfluent':
      return { ...row, settings: `format_avro_schema_registry_url = '${registryUrl}', output_format_avro_confluent_subject = 'bench'` };
    default:
      return row;
  }
}

function withZeros(): string {
  return ROW_VALUES.replace('number AS id', '0::UInt8 AS z1, number AS id')
    .replace("'key'", "0::UInt8 AS z2, 'key'")
    .replace('round(', '0::UInt8 AS z3, round(')
    .replace('toDateTime(', '0::UInt8 AS z4, toDateTime(');
}

interface Options {
  readonly rows: number;
  readonly runs: number;
  readonly formats: readonly string[];
  readonly jsonFile: string | undefined;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '500000' },
      runs: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const only = values.only.toLowerCase().split(',').filter(Boolean);
  const unknown = only.filter((name) => !splicedFormats().includes(name));
  if (unknown.length > 0) throw new Error(`--only does not know ${unknown.join(', ')}`);
  const formats = splicedFormats().filter((name) => only.length === 0 || only.includes(name));
  return { rows: Number(values.rows), runs: Number(values.runs), formats, jsonFile: values.json };
}

interface Figures {
  readonly format: string;
  readonly nativeRowsPerSecond: number;
  readonly gatewayRowsPerSecond: number;
  readonly ratio: number;
  readonly gatewayCpuSecondsPerMillion: number;
}

async function runBench(options: Options): Promise<void> {
  console.error(`load before: ${(loadavg()[0] ?? 0).toFixed(1)}`);
  const [kafka, clickHouse, registry] = await Promise.all([startOwnKafka(), startOwnClickHouse(), startRegistry()]);
  try {
    const bench: Bench = { kafka, clickHouse, gatewayConsumers: 2, flushIntervalMs: 500 };
    const results: Figures[] = [];
    for (const format of options.formats) {
      const source = await fillTopic(bench, caseOf(format, registry.url), options.rows);
      const figures = await measureFormat(bench, source, options.runs);
      results.push({ format, ...figures });
      const { nativeRowsPerSecond: native, gatewayRowsPerSecond: gateway, ratio } = figures;
      console.log(`${format.padEnd(40)} native ${perSecond(native)} gateway ${perSecond(gateway)} ${ratio.toFixed(2).padStart(6)} ×`);
      await kafka.deleteTopic(source.topic);
    }
    const json = JSON.stringify({ rows: options.rows, results });
    if (options.jsonFile === undefined) console.log(json);
    else writeFileSync(options.jsonFile, `${json}\n`);
  } finally {
    await Promise.all([registry.stop(), clickHouse.stop(), kafka.stop()]);
  }
}

function perSecond(rows: number): string {
  return `${Math.round(rows).toLocaleString('en-US').padStart(10)}/s`;
}

async function fillTopic({ kafka, clickHouse }: Bench, made: FormatCase, rows: number): Promise<Source> {
  const topic = `bench-${made.format}`;
  await kafka.createTopic(topic, PARTITIONS);
  await write(clickHouse, kafka.brokers, topic, made, rows);
  const { shape, format, settings } = made;
  return { shape, format, rows, topic, ...(settings === undefined ? {} : { settings }) };
}

/** The key spreads the messages evenly over the partitions; it is no part of the message (`kafka_map_virtual_columns_on_write`). */
async function write(clickHouse: ClickHousePart, brokers: string, topic: string, made: FormatCase, rows: number): Promise<void> {
  const { writtenAs = made.format, values, settings } = made;
  await clickHouse.query('DROP TABLE IF EXISTS default.writer SYNC');
  await clickHouse.query(
    `CREATE TABLE default.writer ENGINE = Kafka('${brokers}', '${topic}', 'writer', '${writtenAs}')
     SETTINGS kafka_map_virtual_columns_on_write = 1${settings === undefined ? '' : `, ${settings}`}
     AS SELECT ${values}, toString(number) AS _key FROM numbers(${rows})`,
  );
  await clickHouse.query('DROP TABLE default.writer SYNC');
}

async function measureFormat(bench: Bench, source: Source, runs: number): Promise<Omit<Figures, 'format'>> {
  const rounds: Omit<Figures, 'format'>[] = [];
  for (let run = 0; run < runs; run += 1) {
    const native = await measure(bench, source, 'native-1');
    const gateway = await measure(bench, source, 'gateway');
    rounds.push({
      nativeRowsPerSecond: native.rowsPerSecond,
      gatewayRowsPerSecond: gateway.rowsPerSecond,
      ratio: gateway.rowsPerSecond / native.rowsPerSecond,
      gatewayCpuSecondsPerMillion: gateway.gatewayCpuSecondsPerMillion,
    });
  }
  rounds.sort((a, b) => a.ratio - b.ratio);
  return rounds[Math.floor(rounds.length / 2)] as Omit<Figures, 'format'>;
}

await runAsProgram(HELP, readOptions, runBench);
