import { FORMAT_SETTINGS_COLUMN, type OutboxColumn } from '../../engine/index.ts';
import { quoteIdentifier, quoteString } from '../../sql/index.ts';
import { readAll } from './read-all.ts';
import type { OutboxReader } from './types.ts';

/** Settings that change how values are written in any text format. */
const OF_VALUES = [
  ...['bool_true_representation', 'bool_false_representation', 'date_time_output_format', 'interval_output_format', 'session_timezone'],
  ...['date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands', 'output_format_trim_fixed_string', 'max_block_size'],
  ...[
    'output_format_decimal_trailing_zeros',
    'output_format_always_write_decimal_point_in_float_and_decimal',
    'output_format_float_precision',
  ],
];

/** What settings of one family of formats have in their names, by what the formats have in theirs: asking for all of them takes 30 ms an INSERT. */
const FAMILIES: readonly (readonly [format: RegExp, settings: string])[] = [
  [/json|geojson/, 'json|write_statistics'],
  [/^xml/, 'write_statistics'],
  [/csv/, 'csv'],
  [/^(?:tsv|tabseparated|raw|tskv)/, 'tsv'],
  [/^(?:custom|template)/, 'custom|template|csv|tsv|json'],
  [/avro/, 'avro'],
  [/protobuf|capnproto/, 'protobuf|capn|schema'],
  [/binary/, 'binary'],
  [/^native/, 'native|binary'],
  [/^(?:md|markdown)/, 'markdown'],
  [/^png/, 'image'],
  [/^pretty/, 'pretty'],
  [/./, 'no_family'],
];

/** They change nothing of what is written, or may hold a password. */
const NOT_KEPT = 'format_avro_schema_registry_|format_regexp';

/**
 * The column's declaration for tables of `format`. Its default is computed in the INSERT, behind views as well, so it sees the statement's settings; those that
 * are as the service account's are not kept.
 */
export async function formatSettingsColumn(client: OutboxReader, format: string): Promise<OutboxColumn> {
  const lower = format.toLowerCase();
  const family = FAMILIES.find(([formats]) => formats.test(lower))?.[1] ?? '';
  const ofFormat = `match(name, '^(output_)?format_.*(${[lower.replace(/[^a-z]/g, '_'), family].join('|')})') AND NOT match(name, '${NOT_KEPT}')`;
  const settings = await client.rows<{ name: string }>(
    `SELECT name FROM system.settings WHERE ${ofFormat} OR name IN (${OF_VALUES.map(quoteString).join(', ')}) ORDER BY name`,
  );
  const now = `[${settings.map(({ name }) => `toString(getSetting(${quoteString(name)}))`).join(', ')}]`;
  // Not by `rows`, which sends settings of its own.
  const answer = await readAll(client.stream(`SELECT ${now} FORMAT JSONCompactEachRow`, {}, AbortSignal.timeout(TIMEOUT_MS)));
  const [otherwise] = JSON.parse(answer.toString()) as [string[]];
  const names = settings.map(({ name }) => quoteString(name)).join(', ');
  const kept = `toJSONString(arrayFilter(x -> x.2 != x.3, arrayZip([${names}], ${now}, [${otherwise.map(quoteString).join(', ')}])))`;
  return { name: FORMAT_SETTINGS_COLUMN, declaration: `${quoteIdentifier(FORMAT_SETTINGS_COLUMN)} LowCardinality(String) DEFAULT ${kept}` };
}

const TIMEOUT_MS = 60_000;

/** Reads the column's text. */
export function readKeptSettings(text: string): Record<string, string> {
  if (text === '') return {};
  const kept = JSON.parse(text) as [name: string, value: string, otherwise: string][];
  return Object.fromEntries(kept.map(([name, value]) => [name, value]));
}
