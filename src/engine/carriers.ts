import { randomBytes } from 'node:crypto';
import { quoteIdentifier, quoteString, type CreateTable } from '../sql/index.ts';

/**
 * Tables with DEFAULT, EPHEMERAL or MATERIALIZED columns are inserted into directly (`INSERT INTO q (…) FORMAT X`), since the server computes no
 * defaults for omitted fields behind `SELECT … FROM input(…)`. Then metadata travel in *carriers*: EPHEMERAL columns whose names hold a
 * secret of the table, and what is the same for all rows in the setting `log_comment`, as JSON (`InsertComment`). The virtual columns are
 * MATERIALIZED expressions over both.
 */
export type Carrier =
  'guard' | 'position' | 'timestamp' | 'key' | 'key_hex' | 'header_names' | 'header_names_hex' | 'header_values' | 'header_values_hex';

/** A column that the gateway adds to a landing table. */
export interface AddedColumn {
  readonly name: string;
  /** As it stands in a column list. */
  readonly declaration: string;
}

interface CarrierColumn {
  readonly type: string;
  readonly neutral: string;
}

const TEXT: CarrierColumn = { type: 'String', neutral: "''" };
const LIST: CarrierColumn = { type: 'Array(String)', neutral: '[]' };
/** The formats that write text as it is use the plain ones, the others those in hexadecimal. */
const CARRIERS: Readonly<Record<Carrier, CarrierColumn>> = {
  guard: { type: 'UInt32', neutral: '0' },
  position: { type: 'UInt64', neutral: '0' },
  timestamp: { type: 'Int64', neutral: '-1' },
  key: TEXT,
  key_hex: TEXT,
  header_names: LIST,
  header_names_hex: TEXT,
  header_values: LIST,
  header_values_hex: TEXT,
};

/** What an INSERT into a table with carriers says in its `log_comment`. */
export type InsertComment =
  | {
      /** One INSERT for a message, or one whose virtual columns are given: text in hexadecimal, all of it optional. */
      readonly alone: true;
      readonly topic?: string;
      readonly partition?: number;
      readonly offset?: number;
      /** Milliseconds; -1 and absent: none. */
      readonly timestamp?: number;
      readonly key?: string;
      readonly names?: readonly string[];
      readonly values?: readonly string[];
    }
  | {
      readonly alone: false;
      /** By source, the first is 1. */
      readonly topics: readonly string[];
      readonly partitions: readonly number[];
      /** Rows there must be. */
      readonly rows: number;
      /** What every row's guard must be. */
      readonly guard: number;
    };

/** Text in the server's exception when the rows of a batch are not, one by one, those that were written. */
export const STRAY_ROW = 'sluice: a row without a source';

/** Sources are below this in a position, which is `offset * POSITION_SOURCES + source` (`SOURCES_OF_A_POSITION` of the formats). */
export const POSITION_SOURCES = 10_000;
const COMMENT = "getSetting('log_comment')";
const IS_ALONE = `JSONExtractBool(${COMMENT}, 'alone')`;

/**
 * Whether the table's rows need defaults that only a direct INSERT computes, or MATERIALIZED columns: with carriers a check of messages
 * (`DirectInsert`) computes these, too, and finds the one that fails.
 */
export function needsCarriers({ elements }: CreateTable): boolean {
  return (elements?.items ?? []).some((item) => item.kind === 'column' && item.defaultKind !== undefined && item.defaultKind !== 'ALIAS');
}

/** Beginning of the carriers' names in a table that is being made. */
export function newCarrierPrefix(): string {
  return `_sluice_${randomBytes(9).toString('hex')}_`;
}

export function carrierName(prefix: string, carrier: Carrier): string {
  return `${prefix}${carrier}`;
}

export function carrierType(carrier: Carrier): string {
  return CARRIERS[carrier].type;
}

/**
 * Carriers, and a column that throws `STRAY_ROW` for a batch whose rows are not, one by one, those that were written (and for an INSERT past the gateway).
 */
export function carrierColumns(prefix: string): AddedColumn[] {
  const carriers = Object.entries(CARRIERS).map(([carrier, { type, neutral }]) => {
    const name = carrierName(prefix, carrier as Carrier);
    return { name, declaration: `${quoteIdentifier(name)} ${type} EPHEMERAL ${neutral}` };
  });
  const name = `${prefix}check`;
  const [position, guard] = [carried(prefix, 'position'), carried(prefix, 'guard')];
  const rows = `blockSize() != JSONExtractUInt(${COMMENT}, 'rows')`;
  const isStray = `${rows} OR ${position} = 0 OR ${guard} != JSONExtractUInt(${COMMENT}, 'guard')`;
  const check = `throwIf(if(${IS_ALONE}, 0, ${isStray}), ${quoteString(STRAY_ROW)})`;
  return [...carriers, { name, declaration: `${quoteIdentifier(name)} UInt8 MATERIALIZED ${check}` }];
}

function carried(prefix: string, carrier: Carrier): string {
  return quoteIdentifier(carrierName(prefix, carrier));
}

/** SQL that brings text and lists back that were written in hexadecimal, the items of a list with a dot before each. */
export const HEX_DECODING = {
  text: (expression: string): string => `unhex(${expression})`,
  list: (expression: string): string => `arrayMap(item -> unhex(item), arraySlice(splitByChar('.', ${expression}), 2))`,
} as const;

/** The virtual column's value over carriers and comment, as SQL; undefined for those that an INSERT gives itself. */
export function carriedExpression(column: string, prefix: string): string | undefined {
  const position = carried(prefix, 'position');
  const either = (alone: string, inBatch: string): string => `if(${IS_ALONE}, ${alone}, ${inBatch})`;
  const list = (path: string, plain: Carrier, hex: Carrier): string =>
    either(
      `arrayMap(item -> unhex(item), JSONExtract(${COMMENT}, '${path}', 'Array(String)'))`,
      `arrayConcat(${carried(prefix, plain)}, ${HEX_DECODING.list(carried(prefix, hex))})`,
    );
  const ms = either(`if(JSONHas(${COMMENT}, 'timestamp'), JSONExtractInt(${COMMENT}, 'timestamp'), -1)`, carried(prefix, 'timestamp'));
  switch (column) {
    case '_topic':
      return either(`JSONExtractString(${COMMENT}, 'topic')`, ofSource('topics', 'Array(String)', position));
    case '_partition':
      return either(`JSONExtractUInt(${COMMENT}, 'partition')`, ofSource('partitions', 'Array(UInt64)', position));
    case '_offset':
      return either(`JSONExtractUInt(${COMMENT}, 'offset')`, `intDiv(${position}, ${POSITION_SOURCES})`);
    case '_timestamp':
      return `if(${ms} < 0, NULL, toDateTime(intDiv(${ms}, 1000)))`;
    case '_timestamp_ms':
      return `if(${ms} < 0, NULL, fromUnixTimestamp64Milli(${ms}))`;
    case '_key':
      return either(
        `unhex(JSONExtractString(${COMMENT}, 'key'))`,
        `concat(${carried(prefix, 'key')}, ${HEX_DECODING.text(carried(prefix, 'key_hex'))})`,
      );
    case '_headers.name':
      return list('names', 'header_names', 'header_names_hex');
    case '_headers.value':
      return list('values', 'header_values', 'header_values_hex');
    default:
      return undefined;
  }
}

function ofSource(path: string, type: string, position: string): string {
  return `JSONExtract(${COMMENT}, '${path}', '${type}')[${position} % ${POSITION_SOURCES}]`;
}
