import { avroConfluent } from './avro-confluent.ts';
import { bsonEachRow } from './bson.ts';
import { csv } from './csv.ts';
import { customSeparated } from './custom-separated.ts';
import type { HeadKind } from './head-lines.ts';
import { jsonRows } from './json-rows.ts';
import { msgPack } from './msgpack.ts';
import { protobuf, protobufList, protobufSingle } from './protobuf.ts';
import { jsonAsObject, jsonAsString, lineAsString, rawBlob } from './raw-text.ts';
import { rowBinary, rowBinaryWithDefaults, rowBinaryWithNames, rowBinaryWithNamesAndTypes } from './row-binary.ts';
import type { Splicer } from './splicer.ts';
import { tabSeparated } from './tab-separated.ts';
import { tskv } from './tskv.ts';
import { values } from './values.ts';

export { readNotes, type NotedField, type NotedTexts } from './notes.ts';
export { messageOf, RecordCursor } from './record-cursor.ts';
export { varuintBytes } from './varuint.ts';
export { canCarry, SOURCES_OF_A_POSITION } from './position.ts';
export { BodyHead, UNPROVABLE, type BodyTable, type Carried, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';

/**
 * Formats whose messages are spliced into a common body, by lower-case name (the server's format names ignore case). A new
 * format is added here. Every other format goes one INSERT a message: slower, never wrong.
 */
const SPLICERS: Readonly<Record<string, Splicer>> = {
  jsoneachrow: jsonRows('objects'),
  jsonstringseachrow: jsonRows('objects', 'strings'),
  ...withNamesAndTypes('jsoncompacteachrow', (head) => beginningWithHead(head, jsonRows('arrays', 'json', head))),
  ...withNamesAndTypes('jsoncompactstringseachrow', (head) => beginningWithHead(head, jsonRows('arrays', 'strings', head))),
  ...withNamesAndTypes('csv', csv),
  ...withNamesAndTypes('tabseparated', tabSeparated),
  ...withNamesAndTypes('tabseparatedraw', (head) => tabSeparated(head, 'raw')),
  ...withNamesAndTypes('customseparated', (head) => beginningWithHead(head, customSeparated(head))),
  tskv,
  values,
  rawblob: rawBlob,
  lineasstring: lineAsString,
  jsonasstring: jsonAsString,
  jsonasobject: jsonAsObject,
  rowbinary: rowBinary,
  rowbinarywithdefaults: rowBinaryWithDefaults,
  rowbinarywithnames: beginningWithHead('names', rowBinaryWithNames),
  rowbinarywithnamesandtypes: beginningWithHead('names-and-types', rowBinaryWithNamesAndTypes),
  bsoneachrow: bsonEachRow,
  msgpack: msgPack,
  avroconfluent: avroConfluent,
  protobuf,
  protobufsingle: protobufSingle,
  protobuflist: protobufList,
};

/** Other names of formats, or of how their names begin. */
const ALIASES: readonly (readonly [RegExp, string])[] = [
  [/^(?:jsonl|jsonlines|ndjson)$/, 'jsoneachrow'],
  [/^(?:tsvraw|raw)(?=with|$)/, 'tabseparatedraw'],
  [/^tsv(?=with|$)/, 'tabseparated'],
];

function withNamesAndTypes(name: string, splicer: (head: HeadKind) => Splicer): Record<string, Splicer> {
  return { [name]: splicer('none'), [`${name}withnames`]: splicer('names'), [`${name}withnamesandtypes`]: splicer('names-and-types') };
}

/** A message that lacks its head is broken, an empty one, too; CSV and TSV do without. */
function beginningWithHead(head: HeadKind, splicer: Splicer): Splicer {
  return head === 'none' ? splicer : { ...splicer, findsEmptyBroken: true };
}

/** The way to splice messages of `format`, or undefined where each message needs an INSERT of its own. */
export function splicerOf(format: string): Splicer | undefined {
  const name = ALIASES.reduce((known, [alias, own]) => known.replace(alias, own), format.toLowerCase());
  return Object.hasOwn(SPLICERS, name) ? SPLICERS[name] : undefined;
}

/** Lower-case names of the formats that are spliced, without their other names. */
export function splicedFormats(): readonly string[] {
  return Object.keys(SPLICERS);
}
