/**
 * The parts of a tree that take more than a line to make. The grammar's actions call these; nothing else does.
 */
import { alterCommands } from './alter-commands.ts';
import type { CreateTable, EngineClause, SettingsClause, Span, StorageClause, TableName, Value } from './ast.ts';
import { Lexer, type TokenKind } from './lexer.ts';
import { unquoteIdentifier, unquoteString } from './unquote.ts';

interface Storage {
  readonly engine?: EngineClause;
  readonly clauses: readonly StorageClause[];
  readonly settings?: SettingsClause;
}

interface TableBody {
  readonly elements?: NonNullable<CreateTable['elements']>;
  readonly storage?: Storage;
  readonly mode?: { readonly word: 'EMPTY' | 'CLONE'; readonly span: Span };
  readonly comment?: NonNullable<CreateTable['comment']>;
  readonly source?: {
    readonly select?: Span;
    readonly tableFunction?: Span;
    readonly name?: TableName;
    readonly storage?: Storage;
    /** From AS to the end. */
    readonly span: Span;
  };
}

type TableBodyTree = Pick<
  CreateTable,
  'elements' | 'engine' | 'storageClauses' | 'settings' | 'comment' | 'asTable' | 'asTableFunction' | 'asSelect'
>;

function tableBody({ elements, storage: ownStorage, mode, comment, source }: TableBody): TableBodyTree {
  const storage = ownStorage ?? source?.storage;
  return {
    ...(elements && { elements }),
    ...(storage?.engine && { engine: storage.engine }),
    storageClauses: storage?.clauses ?? [],
    settings: storage?.settings ? [storage.settings] : [],
    ...(comment && { comment }),
    ...(source?.name && { asTable: { name: source.name, clone: mode?.word === 'CLONE', span: source.span } }),
    ...(source?.tableFunction && { asTableFunction: source.tableFunction }),
    ...(source?.select && { asSelect: { ...(mode?.word === 'EMPTY' && { empty: mode.span }), query: source.select, span: source.span } }),
  };
}

interface NamePart {
  readonly name: string;
  readonly isParameter?: boolean;
}

function tableName(table: NamePart, database: NamePart | undefined, span: Span): TableName {
  const hasParameter = table.isParameter === true || database?.isParameter === true;
  return { ...(database && { database: database.name }), table: table.name, ...(hasParameter && { hasParameter }), span };
}

/** Classifies the expression at `span`; brackets around a literal change nothing, as on the server. */
function value(input: string, span: Span): Value {
  const text = input.slice(span.start, span.end);
  return literal(text, span) ?? compoundIdentifier(text, span) ?? { kind: 'expression', text, span };
}

function literal(text: string, span: Span): Value | undefined {
  // Nearly all values look like these; a lexer for each would cost more than the rest of the parse.
  if (/^'[^'\\]*'$/.test(text)) return { kind: 'string', value: text.slice(1, -1), text, span };
  if (/^-?\d+$/.test(text)) return { kind: 'number', text, span };
  const lexer = new Lexer(text);
  let depth = 0;
  for (lexer.next(); lexer.is('('); lexer.next()) depth += 1;
  const token = literalToken(lexer);
  if (!token) return undefined;
  for (lexer.next(); lexer.is(')'); lexer.next()) depth -= 1;
  return lexer.kind === 'end' && depth === 0 ? { ...token, text, span } : undefined;
}

function literalToken(lexer: Lexer): { kind: 'string'; value: string } | { kind: 'number' } | { kind: 'bool'; value: boolean } | undefined {
  if (lexer.kind === 'string') return { kind: 'string', value: unquoteString(lexer.tokenText) };
  if (lexer.is('-') || lexer.is('+')) lexer.next();
  if (lexer.kind === 'number') return { kind: 'number' };
  const word = lexer.kind === 'word' ? lexer.tokenText.toLowerCase() : '';
  if (word === 'inf' || word === 'nan') return { kind: 'number' };
  return word === 'true' || word === 'false' ? { kind: 'bool', value: word === 'true' } : undefined;
}

function compoundIdentifier(text: string, span: Span): Value | undefined {
  const lexer = new Lexer(text);
  const names: string[] = [];
  let next: TokenKind;
  do {
    const kind = lexer.next();
    if (kind !== 'identifier' && (kind !== 'word' || lexer.tokenText.toUpperCase() === 'NULL')) return undefined;
    names.push(unquoteIdentifier(lexer.tokenText));
    next = lexer.next();
  } while (lexer.is('.'));
  return next === 'end' ? { kind: 'identifier', name: names.join('.'), text, span } : undefined;
}

export const build = { tableBody, tableName, value, alterCommands, unquoteIdentifier, unquoteString };
