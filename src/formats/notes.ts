import type { ChunkedBytes } from '../batching/index.ts';
import type { RecordCursor } from './record-cursor.ts';
import type { Carried, CarriedField } from './splicer.ts';

/**
 * What is noted aside of a message whose rows cannot carry it (`Splicer.isNumbered`): its timestamp, key and headers, as far as `fields` want them.
 * Source and offset are known to the batch.
 *
 * A message's note, field by field: the timestamp as a double; a key as its length and bytes; a list as its number of items, each with length and bytes.
 * Lengths are 32 bits; everything is little-endian.
 */
export function writeNote(notes: ChunkedBytes, fields: readonly CarriedField[], message: RecordCursor): void {
  notes.ensure(noteBytes(fields, message));
  for (const { what } of fields) writeField(notes, what, message);
}

function noteBytes(fields: readonly CarriedField[], message: RecordCursor): number {
  let total = 0;
  for (const { what } of fields) {
    if (what === 'timestamp') total += 8;
    else if (what === 'key') total += 4 + Math.max(0, message.keyEnd - message.keyStart);
    else if (isList(what)) total += 4 + 4 * message.headerCount + message.headerBytes();
  }
  return total;
}

function writeField(notes: ChunkedBytes, what: Carried, message: RecordCursor): void {
  if (what === 'timestamp') notes.position = notes.chunk.writeDoubleLE(message.timestampMs, notes.position);
  else if (what === 'key') writeText(notes, message.bytes, message.keyStart, message.keyEnd);
  else if (isList(what)) {
    notes.position = notes.chunk.writeUInt32LE(message.headerCount, notes.position);
    message.forEachHeader((nameStart, nameEnd, valueStart, valueEnd) => {
      if (what === 'header-names') writeText(notes, message.bytes, nameStart, nameEnd);
      else writeText(notes, message.bytes, valueStart, valueEnd);
    });
  }
}

function writeText(notes: ChunkedBytes, bytes: Buffer, start: number, end: number): void {
  notes.position = notes.chunk.writeUInt32LE(Math.max(0, end - start), notes.position);
  if (end > start) notes.position += bytes.copy(notes.chunk, notes.position, start, end);
}

function isList(what: Carried): boolean {
  return what === 'header-names' || what === 'header-values';
}

/** Texts one behind the other: text `i` is `bytes[starts[i], starts[i + 1])`. */
export interface NotedTexts {
  readonly bytes: Buffer;
  readonly starts: Float64Array;
}

/** What was noted of messages in one field. `lists`: the items of message `i` are the texts from `lists[i]` to below `lists[i + 1]`. */
export type NotedField =
  | { readonly kind: 'numbers'; readonly numbers: Float64Array }
  | { readonly kind: 'texts'; readonly texts: NotedTexts }
  | { readonly kind: 'lists'; readonly lists: Float64Array; readonly texts: NotedTexts };

/** Reads the notes of `messages` messages, field by field; undefined stands for a field that is not noted. */
export function readNotes(notes: readonly Buffer[], fields: readonly CarriedField[], messages: number): (NotedField | undefined)[] {
  const total = notes.reduce((sum, bytes) => sum + bytes.length, 0);
  const readers = fields.map(({ what }) => readerOf(what, messages, total));
  for (const bytes of notes) {
    for (let at = 0; at < bytes.length;) for (const reader of readers) at = reader?.read(bytes, at) ?? at;
  }
  return readers.map((reader) => reader?.field());
}

interface FieldReader {
  /** Reads one message's field; returns the position behind it. */
  read(bytes: Buffer, at: number): number;
  field(): NotedField;
}

function readerOf(what: Carried, messages: number, mostBytes: number): FieldReader | undefined {
  if (what === 'timestamp') return new NumbersReader(messages);
  if (what === 'key') return new TextsReader(mostBytes);
  return isList(what) ? new ListsReader(messages, mostBytes) : undefined;
}

class NumbersReader implements FieldReader {
  readonly #numbers: Float64Array;
  #count = 0;

  constructor(messages: number) {
    this.#numbers = new Float64Array(messages);
  }

  read(bytes: Buffer, at: number): number {
    this.#numbers[this.#count++] = bytes.readDoubleLE(at);
    return at + 8;
  }

  field(): NotedField {
    return { kind: 'numbers', numbers: this.#numbers };
  }
}

class TextsReader implements FieldReader {
  readonly #bytes: Buffer;
  readonly #starts = [0];
  #length = 0;

  constructor(mostBytes: number) {
    this.#bytes = Buffer.allocUnsafe(mostBytes);
  }

  read(bytes: Buffer, at: number): number {
    const end = at + 4 + bytes.readUInt32LE(at);
    for (let i = at + 4; i < end; i++) this.#bytes[this.#length++] = bytes[i] as number;
    this.#starts.push(this.#length);
    return end;
  }

  texts(): NotedTexts {
    return { bytes: this.#bytes.subarray(0, this.#length), starts: Float64Array.from(this.#starts) };
  }

  field(): NotedField {
    return { kind: 'texts', texts: this.texts() };
  }
}

class ListsReader implements FieldReader {
  readonly #items: TextsReader;
  readonly #lists: Float64Array;
  #count = 0;

  constructor(messages: number, mostBytes: number) {
    this.#items = new TextsReader(mostBytes);
    this.#lists = new Float64Array(messages + 1);
  }

  read(bytes: Buffer, at: number): number {
    const items = bytes.readUInt32LE(at);
    let next = at + 4;
    for (let i = 0; i < items; i++) next = this.#items.read(bytes, next);
    this.#lists[this.#count + 1] = (this.#lists[this.#count] as number) + items;
    this.#count += 1;
    return next;
  }

  field(): NotedField {
    return { kind: 'lists', lists: this.#lists, texts: this.#items.texts() };
  }
}
