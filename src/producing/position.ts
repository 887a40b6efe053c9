import type { CommittedOffset } from '../kafka/index.ts';

/** One block that was inserted into an outbox: immutable, sent as a whole. */
export interface Part {
  readonly name: string;
  readonly uuid: string;
  /** Grows in the order in which the server acknowledged INSERTs. It begins anew when the server restarts with an empty table: then only `uuid` tells parts apart. */
  readonly block: number;
  readonly rows: number;
  readonly bytes: number;
  readonly insertedAtMs: number;
}

/** The newest part that Kafka has; all that were inserted before it were sent before it. Undefined: none was sent yet. */
export type Position = Pick<Part, 'block' | 'uuid'> | undefined;

const TEXT = /^sluice: ([0-9a-f-]{36}) /;
const SELECTED = /selected rows of ([0-9a-f ]+)$/;

/**
 * What is committed in Kafka together with messages: a number that grows, and a text that a person can read. `part`: the newest one of the outbox that is sent with them, or was
 * before; `selected`: ids of the newest INSERTs whose rows did not go by the outbox.
 */
export function committedPosition(
  part: (Pick<Part, 'block' | 'uuid'> & { readonly name?: string }) | undefined,
  selected: readonly string[],
): { readonly offset: bigint; readonly metadata: string } {
  const sent = part === undefined ? [] : [`${part.uuid} ${part.name === undefined ? '' : `${part.name} `}is sent`];
  const metadata = `sluice: ${[...sent, ...(selected.length === 0 ? [] : [`selected rows of ${selected.join(' ')}`])].join(', ')}`;
  return { offset: BigInt(part?.block ?? 0), metadata };
}

/** The ids in it. */
export function readSelected({ metadata }: Pick<CommittedOffset, 'metadata'>): readonly string[] {
  return SELECTED.exec(metadata)?.[1]?.split(' ') ?? [];
}

export function readPosition({ offset, metadata }: Pick<CommittedOffset, 'offset' | 'metadata'>): Position {
  const uuid = TEXT.exec(metadata)?.[1];
  return offset < 0n || uuid === undefined ? undefined : { block: Number(offset), uuid };
}

/**
 * Which of an outbox's parts (all of them, in order) are sent. The part of the position is the last of the sent ones to be dropped: when it is not there, nothing
 * is left of what was sent, and block numbers may have begun anew.
 */
export function splitAt(parts: readonly Part[], position: Position): { readonly sent: readonly Part[]; readonly unsent: readonly Part[] } {
  const index = position === undefined ? -1 : parts.findIndex(({ uuid }) => uuid === position.uuid);
  return { sent: parts.slice(0, index + 1), unsent: parts.slice(index + 1) };
}
