import { clickhouseError } from '../errors.ts';
import { PARTITIONERS } from '../librdkafka/index.ts';
import type { ColumnDeclaration, CreateTable } from '../sql/index.ts';
import { needsCarriers } from './carriers.ts';
import type { SettingValue } from './setting-values.ts';
import type { EngineSettingName } from './settings.ts';
import { KEY_FORMATS } from './types.ts';

type Values = ReadonlyMap<EngineSettingName, SettingValue>;

/** Throws for settings of the gateway's own (`ENGINE_SETTINGS`, extension) that do not go together, or do not fit the table's columns. */
export function checkExtensions(values: Values, create: CreateTable): void {
  checkDeadLetterTopic(values);
  checkKey(values, create);
  checkOneOf(values, 'kafka_partitioner', PARTITIONERS);
  checkOneOf(values, 'kafka_outbox_on_drop', ['wait', 'drop']);
}

function checkOneOf(values: Values, name: EngineSettingName, allowed: readonly string[]): void {
  const value = values.get(name);
  if (value === undefined || allowed.includes(String(value))) return;
  throw badArguments(`Unexpected value of ${name}: '${String(value)}'. Must be one of ['${allowed.join("', '")}']`);
}

function checkDeadLetterTopic(values: Values): void {
  if (textOf(values, 'kafka_dead_letter_topic') === '' || values.get('kafka_handle_error_mode') === 'dead_letter_queue') return;
  throw badArguments("kafka_dead_letter_topic has no use without kafka_handle_error_mode = 'dead_letter_queue'");
}

function checkKey(values: Values, create: CreateTable): void {
  const format = textOf(values, 'kafka_key_format');
  const names = columnNames(textOf(values, 'kafka_key_columns'));
  if (format !== '' && !KEY_FORMATS.some((known) => known === format)) {
    throw badArguments(`Unexpected value of kafka_key_format: '${format}'. Must be one of ['${KEY_FORMATS.join("', '")}']`);
  }
  if (names.length === 0 && format === '') return;
  if (format === '') throw badArguments('kafka_key_columns needs kafka_key_format: how is the key to be parsed?');
  if (names.length === 0) throw badArguments('kafka_key_format needs kafka_key_columns: which columns does the key fill?');
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) < index) throw badArguments(`kafka_key_columns names column '${name}' twice`);
    checkKeyColumn(name, create);
  }
  if (needsCarriers(create)) {
    // Rows go in by `DirectInsert`, which leaves no room for an expression over the key.
    const text = 'kafka_key_columns in a table with DEFAULT, MATERIALIZED or EPHEMERAL columns is not supported yet by the gateway';
    throw clickhouseError('NOT_IMPLEMENTED', text);
  }
  if (format === 'RawBLOB' && names.length > 1) {
    throw badArguments(`A key in format RawBLOB fills one column, and kafka_key_columns names ${names.length}`);
  }
}

function checkKeyColumn(name: string, create: CreateTable): void {
  if (create.elements === undefined) return; // not known yet
  const columns = create.elements.items.filter((item): item is ColumnDeclaration => item.kind === 'column');
  const column = columns.find((one) => one.name === name);
  if (column === undefined) throw badArguments(`kafka_key_columns names column '${name}', which the table does not have`);
  const kind = column.defaultKind;
  if (kind === 'ALIAS' || kind === 'MATERIALIZED')
    throw badArguments(`kafka_key_columns names column '${name}', which is ${kind}: nothing can be inserted into it`);
}

/** The names of a comma-separated list, trimmed; none in an empty one. */
export function columnNames(list: string): string[] {
  return list.trim() === '' ? [] : list.split(',').map((name) => name.trim());
}

function textOf(values: Values, name: EngineSettingName): string {
  return String(values.get(name) ?? '');
}

function badArguments(text: string): Error {
  return clickhouseError('BAD_ARGUMENTS', text);
}
