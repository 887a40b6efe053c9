import type { Span } from './ast.ts';

/** Replaces `[start, end)` by `text`; `start === end` inserts, an empty `text` removes. */
export interface Edit extends Span {
  readonly text: string;
}

/**
 * `text` with all `edits` applied; positions are those of the original. What lies between edits keeps every unit. Inserts at one place
 * come in the order given, before a replacement that begins there. Throws RangeError when edits overlap or leave the text.
 */
export function splice(text: string, edits: readonly Edit[]): string {
  const inOrder = [...edits].sort((a, b) => a.start - b.start || a.end - b.end);
  const parts: string[] = [];
  let done = 0;
  for (const { start, end, text: replacement } of inOrder) {
    if (start < done || end < start || end > text.length)
      throw new RangeError(`edit ${start}..${end} does not fit behind ${done} of ${text.length}`);
    parts.push(text.slice(done, start), replacement);
    done = end;
  }
  parts.push(text.slice(done));
  return parts.join('');
}

export function insertAt(position: number, text: string): Edit {
  return { start: position, end: position, text };
}

export function replaceSpan({ start, end }: Span, text: string): Edit {
  return { start, end, text };
}

export function removeSpan({ start, end }: Span): Edit {
  return { start, end, text: '' };
}

/** The source of a span. */
export function textOf(text: string, { start, end }: Span): string {
  return text.slice(start, end);
}
