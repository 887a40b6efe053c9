import {
  addedColumns,
  checkKafkaTable,
  engineText,
  isLandingWith,
  landingStatement,
  readDefinition,
  settingWithoutLiteral,
  withoutSecrets,
  placeOfDatabase,
  writeDefinition,
} from '../../src/engine/index.ts';
import { ClickHouseException } from '../../src/errors.ts';
import { classify } from '../../src/query/classify.ts';
import {
  firstWords,
  mentionsIdentifier,
  mentionsKafkaEngine,
  parseStatement,
  readViewQuery,
  sourceOf,
  withoutOutput,
  replaceSpan,
  splice,
  textOf,
  type CreateTable,
  type Span,
  type Statement,
} from '../../src/sql/index.ts';

/** What became of a statement; a broken promise of the parser's is thrown. */
export type Outcome = 'not read' | 'read' | 'refused' | 'a table';

const NAMES: ReadonlySet<string> = new Set(['queue', 'a b']);
const KEY = 'a key of the fuzz run, 32 characters or more';

/** Asks everything that the gateway asks of a statement. Throws what is neither an answer nor a `ClickHouseException`, and what does not fit together. */
export async function checkStatement(text: string): Promise<Outcome> {
  for (const isComplete of [false, true]) classify(text, isComplete, NAMES);
  firstWords(text, 3);
  mentionsIdentifier(text, NAMES);
  sourceOf(text, { kind: 'insert', rest: 0 });
  withoutOutput(text);
  const parsed = parseStatement(text);
  if (!parsed.ok) {
    if (parsed.position < 0 || parsed.position > text.length || parsed.line < 1)
      throw new Error(`an impossible position ${parsed.position}`);
    return 'not read';
  }
  const { statement } = parsed;
  checkSpans(text, statement);
  if (statement.kind === 'create-view') readViewQuery(textOf(text, statement.select));
  if (statement.kind !== 'create-table' || statement.engine?.name !== 'Kafka') return 'read';
  if (!mentionsKafkaEngine(text)) throw new Error('ENGINE = Kafka was read, but is not mentioned');
  return checkTable(text, statement);
}

/** Each part of the tree is a part of the text, and put in its own place changes nothing. */
function checkSpans(text: string, statement: Statement): void {
  for (const span of spansOf(statement)) {
    const isInside = span.start >= 0 && span.start <= span.end && span.end <= text.length;
    if (!isInside || splice(text, [replaceSpan(span, textOf(text, span))]) !== text)
      throw new Error(`a wrong span ${JSON.stringify(span)}`);
  }
}

function spansOf(tree: unknown): Span[] {
  if (typeof tree !== 'object' || tree === null) return [];
  const { start, end } = tree as Partial<Span>;
  const own = typeof start === 'number' && typeof end === 'number' ? [{ start, end }] : [];
  return [...own, ...Object.values(tree).flatMap(spansOf)];
}

/** In the place of a server: what it answers decides only how far the checks come. */
async function answer(sql: string): Promise<string[][]> {
  const names = /system\.settings WHERE name IN \((.*)\)$/s.exec(sql)?.[1];
  if (names !== undefined) return Promise.resolve([...names.matchAll(/'((?:[^'\\]|\\.)*)'/g)].map(([, name = '']) => [name]));
  if (sql.includes('system.table_engines')) return Promise.resolve([['Kafka']]);
  if (sql.includes('isConstant')) return Promise.resolve([['1', 'String', 'evaluated']]);
  if (sql.includes('formatQuery(')) return Promise.resolve([["CREATE TABLE t\n(c Int8)\nENGINE = Kafka('b')"]]);
  return Promise.resolve([['1']]);
}

async function checkTable(text: string, create: CreateTable): Promise<Outcome> {
  // Asked first by whoever makes a table.
  if (settingWithoutLiteral(create) !== undefined) return 'refused';
  try {
    const checked = await checkKafkaTable(create, 'db', { ask: answer });
    const { settings } = checked;
    const definition = {
      settings,
      added: [],
      statement: withoutSecrets(text, create),
      engine: await engineText(create, checked.argumentTexts, checked.querySettings, answer),
      comment: create.comment?.value ?? '',
    };
    const written = writeDefinition(definition, placeOfDatabase('db'), { current: KEY });
    const read = readDefinition(written, { database: 'db', uuid: '' }, { current: KEY });
    if (!read.ok || JSON.stringify(sorted(read.definition.settings)) !== JSON.stringify(sorted(settings)))
      throw new Error('a definition is read as another one than was written');
    if (create.elements === undefined) return 'a table';
    return checkLanding(text, create, written, checked.querySettings, settings);
  } catch (error) {
    if (error instanceof ClickHouseException) return 'refused';
    throw error;
  }
}

function checkLanding(
  text: string,
  create: CreateTable,
  definition: string,
  querySettings: Parameters<typeof landingStatement>[2]['querySettings'],
  settings: Readonly<Record<string, string>>,
): Outcome {
  const names = new Set((create.elements?.items ?? []).flatMap((item) => (item.kind === 'column' ? [item.name] : [])));
  const added = addedColumns(create.name.table, settings, names, undefined);
  const landing = landingStatement(text, create, { definition, added, querySettings });
  if (isLandingWith(landing, definition)) return 'a table';
  // A heredoc that nobody ends.
  if (text.includes('$')) return 'refused';
  throw new Error(`the landing table's statement is another one: ${landing}`);
}

function sorted(settings: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1));
}
