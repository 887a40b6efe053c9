import { firstWords, mentionsIdentifier, parseStatement, sourceOf, type InsertHead } from '../sql/index.ts';

type Answer = 'forward' | 'more' | 'whole';

/** Statements about tables and views: few and short, so they are read whole. */
const ABOUT_TABLES: ReadonlySet<string> = new Set([
  'CREATE',
  'REPLACE',
  'ATTACH',
  'DROP',
  'DETACH',
  'RENAME',
  'EXCHANGE',
  'TRUNCATE',
  'UNDROP',
  'ALTER',
  'DESCRIBE',
  'DESC',
  'OPTIMIZE',
  'CHECK',
  'DELETE',
  'UPDATE',
]);
/** `SHOW TABLE t` is SHOW CREATE TABLE without its second word. */
const SHOWS_A_TABLE: ReadonlySet<string> = new Set(['CREATE', 'TABLE', 'TEMPORARY', 'VIEW', 'DICTIONARY', 'DATABASE']);
const READS: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'FROM']);

/** Longest text in front of an INSERT's table name or its data that is waited for, in bytes: what is longer is nobody's statement. */
const MAX_INSERT_HEAD_BYTES = 16_384;
/** Longest head of an INSERT into a managed table, column list included. */
export const MAX_MANAGED_HEAD_BYTES = 65_536;

/**
 * The answer of `Dispatcher.classify`. `names` are the managed tables' names as latin1 text, like `head`: bytes of UTF-8 as characters,
 * so that no statement has to be decoded to be found not ours.
 */
export function classify(head: string, isComplete: boolean, names: ReadonlySet<string>): Answer {
  const { words, needsMore } = firstWords(head, 2);
  const [first, second] = words;
  if (first === undefined || (needsMore && words.length === 1))
    return needsMore && !isComplete ? 'more' : classifyWords(head, isComplete, names, first, second);
  return classifyWords(head, isComplete, names, first, second);
}

function classifyWords(head: string, isComplete: boolean, names: ReadonlySet<string>, first?: string, second?: string): Answer {
  if (first === undefined) return 'forward';
  if (ABOUT_TABLES.has(first)) return 'whole';
  if (first === 'SHOW') return second !== undefined && SHOWS_A_TABLE.has(second) ? 'whole' : 'forward';
  if (first === 'SYSTEM') return second === 'REPLAY' ? 'whole' : 'forward';
  if (names.size === 0) return 'forward';
  if (READS.has(first)) return classifyRead(head, isComplete, names);
  return first === 'INSERT' ? classifyInsert(head, isComplete, names) : 'forward';
}

/** A query is small beside its answer: one that is longer than the head is read to its end. */
function classifyRead(head: string, isComplete: boolean, names: ReadonlySet<string>): Answer {
  return !isComplete || mentionsIdentifier(head, names) ? 'whole' : 'forward';
}

/** Data must stream, so only an INSERT into a managed table or from a SELECT that may read one is read whole. */
function classifyInsert(head: string, isComplete: boolean, names: ReadonlySet<string>): Answer {
  const parsed = parseStatement(head);
  const insert = parsed.ok && parsed.statement.kind === 'insert' ? parsed.statement : undefined;
  const name = insert?.name;
  if (insert !== undefined && (isComplete || name === undefined || name.span.end < head.length)) {
    if (name !== undefined && (names.has(name.table) || name.hasParameter === true))
      return isComplete || hasWholeHead(head, insert) ? 'whole' : 'more';
    const source = sourceOf(head, insert);
    if (source?.kind === 'data') return 'forward';
    // What cannot be read here may be a SELECT yet: this text is bytes.
    if (source !== undefined || isComplete) return classifyRead(head, isComplete, names);
  }
  return isComplete || head.length > MAX_INSERT_HEAD_BYTES ? 'forward' : 'more';
}

/** Whether it is known if there is a column list, and all of it has come. */
function hasWholeHead(head: string, { columns, rest = head.length }: InsertHead): boolean {
  if (columns !== undefined || head.length > MAX_MANAGED_HEAD_BYTES) return true;
  if (head.startsWith('(', rest)) return !CAN_BECOME_A_LIST.test(head.slice(rest + 1));
  return rest < head.length && !BEGINS_A_COMMENT.test(head.slice(rest));
}

// A SELECT in brackets shows in its first words.
const CAN_BECOME_A_LIST = /^\s*(?:$|(?!\(|(?:SELECT|WITH|FROM|EXPLAIN)[\s(]+[^\s,)]))/i;
const BEGINS_A_COMMENT = /^(?:\/\*|[-/#]$)/;
