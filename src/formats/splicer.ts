import type { Batch } from '../batching/index.ts';
import type { RecordCursor } from './record-cursor.ts';

/** A value carried beside the payload in every row, under a name no payload can guess. */
export interface CarriedField {
  /** Name in the INSERT's `input(…)` structure. */
  readonly name: string;
  readonly type: string;
  readonly what: Carried;
  /** The guard's value. */
  readonly constant?: number;
}

/**
 * What a row can carry, in this order: `guard`, a secret number, where fields have no names (`Splicer.isPositional`); `source` (which partition, from 1;
 * its number and topic follow from that), or `position`, which is source and offset in one number (`offset * SOURCES_OF_A_POSITION + source`): one field
 * less to read; then the others as the virtual columns in use need them.
 */
export type Carried = 'guard' | 'source' | 'position' | 'timestamp' | 'key' | 'header-names' | 'header-values';

/** Writing failed to prove that the bytes stay this message's own rows: it has to go in an INSERT of its own. */
export const UNPROVABLE = -1;

/**
 * One format's way to put messages into a common INSERT body, metadata spliced in. The bytes of a payload are never changed, a
 * broken message is never made valid and never touches its neighbours; what the writer cannot prove it leaves alone.
 */
export interface MessageWriter {
  /**
   * Appends the cursor's message (value neither null nor empty). Returns its number of rows, or UNPROVABLE with the batch as it was.
   * `source` is the number every row carries.
   */
  write(batch: Batch, source: number, message: RecordCursor): number;
  /**
   * The server found a row without a source among what was written: the next `messages` messages have to be looked at whole.
   * Undefined where the writer always does.
   */
  scanNext?(messages: number): void;
}

/**
 * What stands before the rows of every common body of one plan, such as a line of column names. The first message that has one fixes it; a writer that meets
 * another one finds its message unprovable.
 */
export class BodyHead {
  bytes: Buffer | undefined;
  /** What the message that fixed it has there itself. */
  own: Buffer = Buffer.alloc(0);
}

/** What a writer has to know about its table. */
export interface BodyTable {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly settings: Readonly<Record<string, string>>;
  /** Shared by all writers of the plan. */
  readonly head: BodyHead;
}

/** What a format needs to be spliced. */
export interface Splicer {
  /** Fields have no names in a row: rows begin with a guard, so that none can begin anywhere else. */
  readonly isPositional?: true;
  /**
   * Rows cannot carry anything: what `fields` say is noted beside the body (`writeNote`) and comes to a row by its number. The messages stand one
   * behind the other in the body, and a writer's number of rows is exact.
   */
  readonly isNumbered?: true;
  /** An empty message is broken, since every message begins with something. In other formats it makes no row. */
  readonly findsEmptyBroken?: true;
  /** What stands in front of the messages of a body of this size. */
  bodyLead?(bodyBytes: number): Buffer;
  /** Format of the common body, where it is not the table's own. */
  readonly bodyFormat?: string;
  /**
   * `fields` come in the order in which a positional format gets them: before the payload's columns, the guard of a positional one, `source` or `position`,
   * then `timestamp` if it is carried. Returns undefined when the table's format settings or columns make splicing unsafe (they act once a message, or move the borders of rows).
   */
  createWriter(fields: readonly CarriedField[], table: BodyTable): MessageWriter | undefined;
  /** Format settings the splicing relies on, and what the real engine forces for each message. */
  readonly forcedSettings: Readonly<Record<string, string>>;
  /** Settings of common bodies only, stronger than the table's: what they keep from being read is read in an INSERT of its own. */
  readonly bodySettings?: Readonly<Record<string, string>>;
  /** SQL that turns a carried key back into its bytes. */
  decodeText(expression: string): string;
  /** SQL that turns carried header names or values back into Array(String), and their type on the way. */
  decodeList(expression: string): string;
  readonly listType: string;
}
