import type { AlterTable, Span } from './ast.ts';
import { endOfBrackets } from './expression.ts';
import { Lexer } from './lexer.ts';
import { unquoteString } from './unquote.ts';

type AlterCommand = AlterTable['commands'][number];
type Family = AlterCommand['family'];

/**
 * The words a command begins with, and the server's name for it (`AlterCommand::Type` as its errors print it, else
 * `ASTAlterCommand::Type`). Tried on a native Kafka table of 26.7. The longest match wins.
 */
const COMMANDS: readonly (readonly [words: string, type: string, family?: Family])[] = [
  ['ADD COLUMN', 'ADD_COLUMN'],
  ['DROP COLUMN', 'DROP_COLUMN'],
  ['CLEAR COLUMN', 'DROP_COLUMN'],
  ['MODIFY COLUMN', 'MODIFY_COLUMN'],
  ['ALTER COLUMN', 'MODIFY_COLUMN'],
  ['RENAME COLUMN', 'RENAME_COLUMN'],
  ['COMMENT COLUMN', 'COMMENT_COLUMN'],
  ['MATERIALIZE COLUMN', 'MATERIALIZE_COLUMN', 'mutation'],
  ['MODIFY ORDER BY', 'MODIFY_ORDER_BY'],
  ['MODIFY SAMPLE BY', 'MODIFY_SAMPLE_BY'],
  ['REMOVE SAMPLE BY', 'REMOVE_SAMPLE_BY'],
  ['MODIFY TTL', 'MODIFY_TTL'],
  ['REMOVE TTL', 'REMOVE_TTL'],
  ['MATERIALIZE TTL', 'MATERIALIZE_TTL', 'mutation'],
  ['MODIFY SETTING', 'MODIFY_SETTING'],
  ['RESET SETTING', 'RESET_SETTING'],
  ['MODIFY QUERY', 'MODIFY_QUERY'],
  ['MODIFY REFRESH', 'MODIFY_REFRESH'],
  ['MODIFY SQL SECURITY', 'MODIFY_SQL_SECURITY'],
  ['MODIFY DEFINER', 'MODIFY_SQL_SECURITY'],
  ['MODIFY COMMENT', 'MODIFY_COMMENT'],
  ['ADD INDEX', 'ADD_INDEX'],
  ['DROP INDEX', 'DROP_INDEX'],
  ['CLEAR INDEX', 'DROP_INDEX'],
  ['MATERIALIZE INDEX', 'MATERIALIZE_INDEX', 'mutation'],
  ['ADD STATISTICS', 'ADD_STATISTICS'],
  ['DROP STATISTICS', 'DROP_STATISTICS'],
  ['CLEAR STATISTICS', 'DROP_STATISTICS'],
  ['MODIFY STATISTICS', 'MODIFY_STATISTICS'],
  ['MATERIALIZE STATISTICS', 'MATERIALIZE_STATISTICS', 'mutation'],
  ['ADD CONSTRAINT', 'ADD_CONSTRAINT'],
  ['DROP CONSTRAINT', 'DROP_CONSTRAINT'],
  ['MODIFY CONSTRAINT', 'MODIFY_CONSTRAINT'],
  ['ADD PROJECTION', 'ADD_PROJECTION'],
  ['DROP PROJECTION', 'DROP_PROJECTION'],
  ['CLEAR PROJECTION', 'DROP_PROJECTION'],
  ['MATERIALIZE PROJECTION', 'MATERIALIZE_PROJECTION', 'mutation'],
  ['DELETE', 'DELETE', 'mutation'],
  ['UPDATE', 'UPDATE', 'mutation'],
  ['APPLY DELETED MASK', 'APPLY_DELETED_MASK', 'mutation'],
  ['APPLY PATCHES', 'APPLY_PATCHES', 'mutation'],
  ['REWRITE PARTS', 'REWRITE_PARTS', 'mutation'],
  ['DROP PARTITION', 'DROP_PARTITION', 'partition'],
  ['DROP PART', 'DROP_PARTITION', 'partition'],
  ['DETACH PARTITION', 'DROP_PARTITION', 'partition'],
  ['DETACH PART', 'DROP_PARTITION', 'partition'],
  ['DROP DETACHED PARTITION', 'DROP_DETACHED_PARTITION', 'partition'],
  ['DROP DETACHED PART', 'DROP_DETACHED_PARTITION', 'partition'],
  ['FORGET PARTITION', 'FORGET_PARTITION', 'partition'],
  ['ATTACH PARTITION', 'ATTACH_PARTITION', 'partition'],
  ['ATTACH PART', 'ATTACH_PARTITION', 'partition'],
  ['REPLACE PARTITION', 'REPLACE_PARTITION', 'partition'],
  ['MOVE PARTITION', 'MOVE_PARTITION', 'partition'],
  ['MOVE PART', 'MOVE_PARTITION', 'partition'],
  ['FETCH PARTITION', 'FETCH_PARTITION', 'partition'],
  ['FETCH PART', 'FETCH_PARTITION', 'partition'],
  ['FREEZE', 'FREEZE_ALL', 'partition'],
  ['FREEZE PARTITION', 'FREEZE_PARTITION', 'partition'],
  ['UNFREEZE', 'UNFREEZE_ALL', 'partition'],
  ['UNFREEZE PARTITION', 'UNFREEZE_PARTITION', 'partition'],
];
const BY_WORDS = new Map(COMMANDS.map(([words, type, family]) => [words, { type, family: family ?? 'metadata' }] as const));
const MAX_WORDS = 3;

/**
 * The commands of `ALTER TABLE t …` between `start` and `end`, separated by commas and each perhaps in brackets. A comma belongs to the
 * command before it unless a command's words follow: `UPDATE a = 1, b = 2 WHERE …`.
 */
export function alterCommands(input: string, { start, end }: Span): AlterCommand[] {
  const commands: AlterCommand[] = [];
  for (const piece of piecesBetweenCommas(input, start, end)) {
    const read = readCommand(input, piece);
    const last = commands.at(-1);
    if (read.type === 'OTHER' && last) commands[commands.length - 1] = { ...last, span: { start: last.span.start, end: piece.end } };
    else commands.push(read);
  }
  return commands;
}

function* piecesBetweenCommas(input: string, start: number, end: number): Generator<Span> {
  const lexer = new Lexer(input, start);
  let pieceStart = -1;
  let pieceEnd = start;
  while (lexer.next() !== 'end' && lexer.kind !== 'error' && lexer.start < end) {
    if (lexer.is(',')) {
      if (pieceStart >= 0) yield { start: pieceStart, end: pieceEnd };
      pieceStart = -1;
      continue;
    }
    if (pieceStart < 0) pieceStart = lexer.start;
    if (lexer.kind === 'symbol' && '([{'.includes(lexer.tokenText)) lexer.moveTo(endOfBrackets(lexer));
    pieceEnd = lexer.end;
  }
  if (pieceStart >= 0) yield { start: pieceStart, end: pieceEnd };
}

function readCommand(input: string, span: Span): AlterCommand {
  const lexer = new Lexer(input, span.start);
  lexer.next();
  if (lexer.is('(')) lexer.next();
  const { type, family, behind } = typeOfCommand(lexer);
  if (type === 'MODIFY_COMMENT') {
    lexer.moveTo(behind);
    if (lexer.next() === 'string') {
      return { type, family, span, comment: { value: unquoteString(lexer.tokenText), span: { start: lexer.start, end: lexer.end } } };
    }
  }
  return { type: type === 'MODIFY_COLUMN' && isCommentOnly(lexer, behind, span.end) ? 'COMMENT_COLUMN' : type, family, span };
}

/** Reads up to three words and takes the longest run of them that names a command. */
function typeOfCommand(lexer: Lexer): { type: string; family: Family; behind: number } {
  let best: { type: string; family: Family; behind: number } = { type: 'OTHER', family: 'metadata', behind: lexer.start };
  let words = '';
  for (let count = 0; count < MAX_WORDS && lexer.kind === 'word'; count += 1) {
    words += (words && ' ') + lexer.tokenText.toUpperCase();
    const found = BY_WORDS.get(words);
    const behind = lexer.end;
    lexer.next();
    // `UPDATE a = 1, delete = 2`: a column of that name, not a command.
    if (found && !lexer.is('=')) best = { ...found, behind };
  }
  return best;
}

/** `MODIFY COLUMN [IF EXISTS] c COMMENT '…'` is what the server makes of COMMENT COLUMN. */
function isCommentOnly(lexer: Lexer, position: number, end: number): boolean {
  lexer.moveTo(position);
  lexer.next();
  if (lexer.kind === 'word' && lexer.tokenText.toUpperCase() === 'IF') {
    lexer.next();
    lexer.next();
  }
  for (lexer.next(); lexer.is('.'); lexer.next()) lexer.next();
  if (lexer.kind !== 'word' || lexer.tokenText.toUpperCase() !== 'COMMENT' || lexer.next() !== 'string') return false;
  lexer.next();
  return lexer.start >= end || lexer.is(')') || isQuerySettings(lexer);
}

/** The whole statement's, which follow its last command; a column's stand in brackets. */
function isQuerySettings(lexer: Lexer): boolean {
  return lexer.kind === 'word' && lexer.tokenText.toUpperCase() === 'SETTINGS' && lexer.next() !== 'end' && !lexer.is('(');
}
