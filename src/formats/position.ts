/** Sources are below this where a position is carried. */
export const SOURCES_OF_A_POSITION = 10_000;

/** Whether messages of `source` below offset `end` can be carried: a position has to fit into a UInt64. */
export function canCarry(source: number, end: number): boolean {
  return source < SOURCES_OF_A_POSITION && end < 1e15;
}
