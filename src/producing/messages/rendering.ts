import { ClickHouseException } from '../../errors.ts';
import { quoteIdentifier } from '../../sql/index.ts';
import {
  CONCATENATED,
  counted,
  framed,
  JSON_DOCUMENT,
  objectOfRows,
  PROTOBUF_LIST,
  PROTOBUF_WITHOUT_LENGTH,
  VERTICAL,
  withFirstLine,
  XML_DOCUMENT,
  type Framing,
} from './framing.ts';
import { isArrayOfRows, jsonRow } from './json-rows.ts';
import { LINE_SHAPES, type LineShape } from './line-rows.ts';
import { bodyColumns } from './message-columns.ts';
import { documentOf, emptyDocumentQuery, IN_ORDER, outputSettings, withSecretSettings } from './outbox-query.ts';
import { readAll } from './read-all.ts';
import type { OutboxReader, RenderedTable } from './types.ts';

/**
 * How the rows of a table become messages:
 * - `rows`: each row is rendered as a document of its own, and they are joined (a message of one row needs no framing); the server writes them as lines of one
 *   answer where such a document is a line, otherwise each by `value` in SQL;
 * - `documents`: each message is a query of its own, for formats that cannot be put together;
 * - `blocks`: the same, but a message is a whole block: formats of columns.
 */
export type Rendering =
  | {
      readonly way: 'rows';
      readonly value: string;
      readonly lines: Lines | undefined;
      readonly settings: Readonly<Record<string, string>>;
      readonly framing: Framing | undefined;
    }
  | { readonly way: 'documents' }
  | { readonly way: 'blocks'; readonly hasStatistics: boolean };

export interface Lines {
  readonly format: string;
  readonly shape: LineShape;
}

type FramingOf = (client: OutboxReader, table: RenderedTable, signal: AbortSignal) => Framing | Promise<Framing>;

interface RowFormat {
  /** Of messages of several rows; absent: each is rendered by a query of its own. */
  readonly join?: FramingOf;
  /** Messages of one row need it as well. */
  readonly alwaysJoins?: true;
  /** The format that rows are rendered in, where it is another. */
  readonly renderedAs?: (format: string) => string;
}

const EMPTY = Buffer.alloc(0);

const concatenated: RowFormat = { join: () => CONCATENATED };
const headless = (format: string): string => format.replace(/WithNames(?:AndTypes)?$/i, '');
/** The head is that of an empty document: `formatRow` takes types without LowCardinality. */
const withHead: RowFormat = {
  join: async (...of) => framed(await emptyDocument(...of), EMPTY, EMPTY, 0),
  alwaysJoins: true,
  renderedAs: headless,
};
const markdown: RowFormat = { join: async (...of) => framed(await emptyDocument(...of), EMPTY, EMPTY), alwaysJoins: true };
const withProgress: RowFormat = { join: async (...of) => withFirstLine(await emptyDocument(...of)), alwaysJoins: true };
const custom: RowFormat = { join: customFraming, alwaysJoins: true, renderedAs: headless };
const jsonRows: RowFormat = {
  join: (_client, table) => (isArrayOfRows(table) ? framed(Buffer.from('[\n'), Buffer.from(',\n'), Buffer.from('\n]\n')) : CONCATENATED),
};
const json: RowFormat = { join: async (...of) => counted(JSON_DOCUMENT, await emptyDocument(...of)), alwaysJoins: true };
const xml: RowFormat = { join: async (...of) => counted(XML_DOCUMENT, await emptyDocument(...of)), alwaysJoins: true };
const byQuery: RowFormat = {};

/** All row formats of 26.7 (and CapnProto, which libchdb lacks), by lower-case name: the server's names ignore case. */
const ROW_FORMATS: Readonly<Record<string, RowFormat>> = {
  ...named(jsonRows, ['jsoneachrow', 'jsonl', 'jsonlines', 'ndjson', 'jsonstringseachrow']),
  ...named(jsonRows, ['prettyjsoneachrow', 'prettyjsonlines', 'prettyndjson']),
  ...named(concatenated, ['jsoncompacteachrow', 'jsoncompactstringseachrow', 'csv', 'tabseparated', 'tsv', 'lineasstring', 'tskv']),
  ...named(concatenated, ['tabseparatedraw', 'tsvraw', 'raw', 'bsoneachrow', 'msgpack', 'rawblob', 'rowbinary', 'protobuf']),
  ...named(concatenated, ['avroconfluent', 'capnproto']),
  ...withNamesAndTypes(withHead, ['csv', 'tabseparated', 'tsv', 'tabseparatedraw', 'tsvraw', 'raw', 'lineasstring', 'rowbinary']),
  ...withNamesAndTypes(withHead, ['jsoncompacteachrow', 'jsoncompactstringseachrow']),
  ...named(markdown, ['markdown', 'md']),
  customseparated: custom,
  ...withNamesAndTypes(custom, ['customseparated']),
  ...named(withProgress, ['jsoneachrowwithprogress', 'jsonstringseachrowwithprogress']),
  ...named(withProgress, ['jsoncompacteachrowwithprogress', 'jsoncompactstringseachrowwithprogress']),
  ...named(json, ['json', 'jsonstrings', 'jsoncompact', 'jsoncompactstrings']),
  xml,
  values: { join: () => framed(EMPTY, Buffer.from(','), EMPTY) },
  vertical: { join: () => VERTICAL },
  jsonobjecteachrow: { join: objectOfRows },
  protobufsingle: { join: () => PROTOBUF_WITHOUT_LENGTH, alwaysJoins: true, renderedAs: () => 'Protobuf' },
  protobuflist: { join: () => PROTOBUF_LIST },
  ...named(byQuery, ['avro', 'geojson', 'prometheus', 'sqlinsert']),
};

function named(format: RowFormat, names: readonly string[]): Record<string, RowFormat> {
  return Object.fromEntries(names.map((name) => [name, format]));
}

function withNamesAndTypes(format: RowFormat, names: readonly string[]): Record<string, RowFormat> {
  return named(
    format,
    names.flatMap((name) => [`${name}withnames`, `${name}withnamesandtypes`]),
  );
}

/** Throws what the server says to a format that it does not know. */
export async function renderingOf(
  client: OutboxReader,
  table: RenderedTable,
  rowsPerMessage: number,
  signal: AbortSignal,
): Promise<Rendering> {
  const { format } = table.options;
  const known = ROW_FORMATS[format.toLowerCase()] ?? ((await isRowFormat(client, table, signal)) ? byQuery : undefined);
  if (known === undefined) return { way: 'blocks', hasStatistics: format.toLowerCase() === 'jsoncolumnswithmetadata' };
  const isJoined = rowsPerMessage !== 1;
  if (isJoined && known.join === undefined) return { way: 'documents' };
  const framing = isJoined || known.alwaysJoins === true ? await known.join?.(client, table, signal) : undefined;
  const ofRow = known.renderedAs?.(format) ?? format;
  return { way: 'rows', framing, lines: linesOf(table, ofRow), ...valueOf(table, ofRow) };
}

function linesOf(table: RenderedTable, format: string): Lines | undefined {
  const shape = LINE_SHAPES[format.toLowerCase()];
  return shape === undefined || isArrayOfRows(table) || bodyColumns(table).length === 0 ? undefined : { format, shape };
}

const ROW_NAME = '_sluice_row_name';

/** The names of rows in JSONObjectEachRow count the rows of an INSERT, so those of a part, where no column holds them. */
function valueOf(table: RenderedTable, format: string): { readonly value: string; readonly settings: Record<string, string> } {
  const setting = 'format_json_object_each_row_column_for_object_name';
  const isNumbered = format.toLowerCase() === 'jsonobjecteachrow' && (table.options.formatSettings[setting] ?? '') === '';
  if (!isNumbered) {
    const document = documentOf(table, format);
    return { value: jsonRow(table, format, document) ?? document, settings: {} };
  }
  const name = `concat('row_', toString(_part_offset + 1)) AS ${quoteIdentifier(ROW_NAME)}`;
  return { value: documentOf(table, format, name), settings: { [setting]: ROW_NAME } };
}

/** Asked for formats that another version of the server may have. */
async function isRowFormat(client: OutboxReader, table: RenderedTable, signal: AbortSignal): Promise<boolean> {
  // The row must be read: an empty table says nothing.
  const sql = `SELECT ${documentOf(table, table.options.format)} FROM ${quoteIdentifier(table.outbox.database)}.${quoteIdentifier(table.outbox.name)} LIMIT 0 FORMAT Null`;
  try {
    await readAll(client.stream(withSecretSettings(table, sql), outputSettings(table), signal));
    return true;
  } catch (error) {
    if (error instanceof ClickHouseException && error.text.includes('formatRow function supports only row output formats')) return false;
    throw error;
  }
}

async function emptyDocument(client: OutboxReader, table: RenderedTable, signal: AbortSignal): Promise<Buffer> {
  return readAll(client.stream(withSecretSettings(table, emptyDocumentQuery(table)), { ...outputSettings(table), ...IN_ORDER }, signal));
}

/** Delimiters as the server understands the settings, its profiles included. */
async function customFraming(client: OutboxReader, table: RenderedTable, signal: AbortSignal): Promise<Framing> {
  const delimiter = async (name: string): Promise<Buffer> =>
    readAll(client.stream(`SELECT getSetting('format_custom_${name}_delimiter') FORMAT RawBLOB`, outputSettings(table), signal));
  const before = await delimiter('result_before');
  const between = await delimiter('row_between');
  const after = await delimiter('result_after');
  const empty = await emptyDocument(client, table, signal);
  return framed(empty.subarray(0, empty.length - after.length), between, after, before.length);
}
