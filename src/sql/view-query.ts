/**
 * Which tables and columns a SELECT names. `readExplainAst` reads the server's own answer and is the authority; `readViewQuery` asks
 * nobody and knows only what `node-sql-parser`'s trino dialect (it has none for ClickHouse) reads without doubt.
 */
import { createRequire } from 'node:module';
import { createContext, Script } from 'node:vm';
import { Lexer } from './lexer.ts';
import { unquoteIdentifier } from './unquote.ts';

export interface ViewQuery {
  /** Tables read, each once; a name given to a subquery by WITH counts as one. */
  readonly tables: readonly { readonly database?: string; readonly table: string }[];
  /** Every name that may be a column, never one too few: `q._topic` gives `q._topic` and `_topic`. */
  readonly identifiers: ReadonlySet<string>;
}

interface TrinoParser {
  /** `select::<database or null>::<table>` each. */
  tableList(sql: string): string[];
}

/** Words of ClickHouse that the dialect takes for aliases, or behind which its table list is not exact. */
const UNKNOWN_TO_DIALECT = new Set([
  'WITH',
  'ARRAY',
  'ASOF',
  'ANY',
  'SEMI',
  'ANTI',
  'PASTE',
  'GLOBAL',
  'FINAL',
  'SAMPLE',
  'PREWHERE',
  'COLUMNS',
  'VIEW',
]);

/** Beyond this the dialect's parser takes longer than asking the server. */
const MAX_DIALECT_CHARACTERS = 20_000;

const require = createRequire(import.meta.url);
let parser: TrinoParser | undefined;

/** The dialect's 250 kB are loaded when first needed. */
function trinoParser(): TrinoParser {
  parser ??= new (require('./trino.generated.cjs') as { Parser: new () => TrinoParser }).Parser();
  return parser;
}

/** The dialect's grammar goes back and forth: ten casts within each other, of a type that it does not know, would take it minutes. */
const MOST_DIALECT_MS = 100;
const bounded = createContext({});
const callBounded = new Script('read()');

/** Throws when it cannot be read, or not in that time. */
function tablesBySql(sql: string): string[] {
  const parser = trinoParser();
  bounded['read'] = () => parser.tableList(sql);
  return callBounded.runInContext(bounded, { timeout: MOST_DIALECT_MS }) as string[];
}

/** undefined when `select` cannot be read with certainty: ask the server then. Never throws. */
export function readViewQuery(select: string): ViewQuery | undefined {
  const tokens = select.length <= MAX_DIALECT_CHARACTERS ? readTokens(select) : undefined;
  if (!tokens) return undefined;
  try {
    const tables = tablesBySql(tokens.plainText).map(readTable);
    return tables.length > 0 && tables.every((table) => table !== undefined) ? { tables, identifiers: tokens.identifiers } : undefined;
  } catch {
    return undefined;
  }
}

/** The tokens as plain SQL (no comments, every string `'x'`, every number `1`), and all names among them. */
function readTokens(select: string): { plainText: string; identifiers: Set<string> } | undefined {
  const lexer = new Lexer(select);
  const parts: string[] = [];
  const identifiers = new Set<string>();
  let chain: string[] = [];
  let isAfterDot = false;
  while (lexer.next() !== 'end') {
    if (lexer.kind === 'error') return undefined;
    if (lexer.kind === 'word' || lexer.kind === 'identifier') {
      const name = unquoteIdentifier(lexer.tokenText);
      if (!isPlain(lexer, name)) return undefined;
      chain = isAfterDot ? [...chain, name].slice(-MAX_NAME_PARTS) : [name];
      for (let index = 0; index < chain.length; index += 1) identifiers.add(chain.slice(index).join('.'));
    }
    isAfterDot = lexer.is('.');
    parts.push(plainToken(lexer));
  }
  return { plainText: parts.join(' '), identifiers };
}

/** Longest names: `database.table.column.subcolumn`, with one to spare. */
const MAX_NAME_PARTS = 5;

function isPlain(lexer: Lexer, name: string): boolean {
  if (lexer.kind === 'word') return !UNKNOWN_TO_DIALECT.has(name.toUpperCase());
  return !/["`\\:]/.test(name);
}

function plainToken(lexer: Lexer): string {
  if (lexer.kind === 'string') return "'x'";
  if (lexer.kind === 'number') return '1';
  return lexer.kind === 'identifier' ? `\`${unquoteIdentifier(lexer.tokenText)}\`` : lexer.tokenText;
}

function readTable(entry: string): ViewQuery['tables'][number] | undefined {
  const [verb, database, table, ...rest] = entry.split('::');
  if (verb !== 'select' || database === undefined || !table || rest.length > 0) return undefined;
  return database === 'null' ? { table } : { database, table };
}

/**
 * Reads the answer of `EXPLAIN AST SELECT …`, one node a line, unescaped. Names stand there without quotes: one with several dots gives
 * every table it may mean. In `x IN t` the table `t` is an identifier, as in the server's tree.
 */
export function readExplainAst(text: string): ViewQuery {
  const tables = new Map<string, ViewQuery['tables'][number]>();
  const identifiers = new Set<string>();
  for (const line of text.split('\n')) {
    const node = line.trimStart();
    if (node.startsWith('Identifier ')) for (const name of dottedEnds(nameOfNode(node))) identifiers.add(name);
    else if (node.startsWith('TableIdentifier '))
      for (const table of possibleTables(nameOfNode(node))) tables.set(JSON.stringify(table), table);
  }
  return { tables: [...tables.values()], identifiers };
}

/** `Identifier db.t (alias x)` → `db.t`. */
function nameOfNode(node: string): string {
  const start = node.indexOf(' ') + 1;
  const alias = node.indexOf(' (alias ', start);
  const children = node.lastIndexOf(' (children ');
  const end = alias >= 0 ? alias : children > start ? children : node.length;
  return node.slice(start, end);
}

function dottedEnds(name: string): string[] {
  const parts = name.split('.').slice(-MAX_NAME_PARTS);
  return [name, ...parts.map((_, index) => parts.slice(index).join('.'))];
}

function possibleTables(name: string): ViewQuery['tables'][number][] {
  const parts = name.split('.');
  if (parts.length === 1) return [{ table: name }];
  return parts.slice(1).map((_, index) => ({ database: parts.slice(0, index + 1).join('.'), table: parts.slice(index + 1).join('.') }));
}
