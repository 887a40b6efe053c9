import { csv } from './csv.ts';
import { jsonEachRow } from './json-each-row.ts';
import type { Splicer } from './splicer.ts';
import { tabSeparated } from './tab-separated.ts';

export { RecordCursor } from './record-cursor.ts';
export { canCarry, SOURCES_OF_A_POSITION } from './position.ts';
export { BodyHead, UNPROVABLE, type BodyTable, type Carried, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';

/**
 * Formats whose messages are spliced into a common body, by lower-case name (the server's format names ignore case). A new
 * format is added here. Every other format goes one INSERT a message: slower, never wrong.
 */
const SPLICERS: Readonly<Record<string, Splicer>> = {
  jsoneachrow: jsonEachRow,
  jsonlines: jsonEachRow,
  ndjson: jsonEachRow,
  csv,
  tsv: tabSeparated,
  tabseparated: tabSeparated,
};

/** The way to splice messages of `format`, or undefined where each message needs an INSERT of its own. */
export function splicerOf(format: string): Splicer | undefined {
  return SPLICERS[format.toLowerCase()];
}
