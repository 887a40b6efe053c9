import {
  mentionsIdentifier,
  mentionsKafkaEngine,
  parseStatement,
  readViewQuery,
  firstWords,
  sourceOf,
  withoutOutput,
} from '../../src/sql/index.ts';
import { classify } from '../../src/query/classify.ts';

const KAFKA = "CREATE TABLE t (a Int8) ENGINE = Kafka('b','t','g','JSONEachRow')";
/** The same thing again and again, about so many characters of it. */
export const SHAPES: Readonly<Record<string, (n: number) => string>> = {
  columns: (n) => `CREATE TABLE t (${'a Int8, '.repeat(n / 8)} b Int8) ENGINE = Kafka('b')`,
  columnsBad: (n) => `CREATE TABLE t (${'a Int8, '.repeat(n / 8)} b Int8) ENGINE = Kafka('b' !`,
  parens: (n) => `CREATE TABLE t (a Int8 DEFAULT ${'('.repeat(n / 2)}1${')'.repeat(n / 2)}) ENGINE = Kafka('b')`,
  openparens: (n) => `CREATE TABLE t (a Int8 DEFAULT ${'('.repeat(n)}`,
  types: (n) => `CREATE TABLE t (a ${'Array('.repeat(n / 7)}Int8${')'.repeat(n / 7)}) ENGINE = Kafka('b')`,
  typesOpen: (n) => `CREATE TABLE t (a ${'Array('.repeat(n / 6)}Int8`,
  comments: (n) => `CREATE TABLE t ${'/* x */ '.repeat(n / 8)}(a Int8) ENGINE = Kafka('b')`,
  nestedComments: (n) => `CREATE TABLE t ${'/*'.repeat(n / 4)}${'*/'.repeat(n / 4)}(a Int8) ENGINE = Kafka('b')`,
  openComments: (n) => `CREATE TABLE t ${'/* '.repeat(n / 3)}`,
  opencommentsLater: (n) => `CREATE TABLE t (${'a Int8 /*,'.repeat(n / 10)}`,
  lines: (n) => `${'-- x\n'.repeat(n / 5)}CREATE TABLE t (a Int8) ENGINE=Kafka`,
  quotes: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka('${"''".repeat(n / 2)}')`,
  quotesMany: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(${"'', ".repeat(n / 4)}'')`,
  quotesOpen: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(${"'".repeat(n)}`,
  backslashes: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka('${'\\'.repeat(n)}`,
  ticks: (n) => `CREATE TABLE t (${'`a` Int8, '.repeat(n / 10)}\`b\` Int8) ENGINE = Kafka('b')`,
  ticksOpen: (n) => `CREATE TABLE t (${'`'.repeat(n)}`,
  settings: (n) => `${KAFKA} SETTINGS ${'kafka_a = 1, '.repeat(n / 13)}x = 1`,
  settingsNested: (n) => `${KAFKA} SETTINGS x = ${'['.repeat(n / 2)}${']'.repeat(n / 2)}`,
  settingsNames: (n) => `${KAFKA} SETTINGS ${'a, '.repeat(n / 3)}a`,
  settingsDots: (n) => `${KAFKA} SETTINGS ${'a.'.repeat(n / 2)}a = 1`,
  settingsTwice: (n) => `${KAFKA} ${'SETTINGS a=1 '.repeat(n / 13)}`,
  settingsArg: (n) => `${KAFKA} SETTINGS a = ${'f(1, '.repeat(n / 6)}1${')'.repeat(n / 6)}`,
  heredocs: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(${'$a$ x $a$, '.repeat(n / 11)}'')`,
  heredocsOpen: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(${Array.from({ length: n / 8 }, (_, i) => `$a${i}$ `).join('')}`,
  heredocTagless: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(${'$'.repeat(n)}`,
  dollarword: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka($${'a'.repeat(n)}`,
  dollars: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(${'$a'.repeat(n / 2)}`,
  word: (n) => `CREATE TABLE ${'a'.repeat(n)} (a Int8) ENGINE = Kafka`,
  digits: (n) => `CREATE TABLE t (a Int8 DEFAULT ${'1'.repeat(n)}) ENGINE = Kafka`,
  digitsUnderscore: (n) => `CREATE TABLE t (a Int8 DEFAULT ${'1_'.repeat(n / 2)}x!) ENGINE = Kafka`,
  names: (n) => `DROP TABLE ${'a, '.repeat(n / 3)}a`,
  namesDot: (n) => `DROP TABLE ${'a.'.repeat(n / 2)}a`,
  renames: (n) => `RENAME TABLE ${'a TO b, '.repeat(n / 8)}a TO b`,
  renamesBad: (n) => `RENAME TABLE ${'a TO b, '.repeat(n / 8)}a TO !`,
  exchange: (n) => `EXCHANGE TABLES ${'a AND b, '.repeat(n / 9)}a AND b`,
  alters: (n) => `ALTER TABLE t ${'ADD COLUMN a Int8, '.repeat(n / 19)}ADD COLUMN b Int8`,
  alterUpdates: (n) => `ALTER TABLE t UPDATE ${'a=1, '.repeat(n / 5)} a=1 WHERE 1`,
  alterDeletes: (n) => `ALTER TABLE t ${'DELETE WHERE 1, '.repeat(n / 16)} DELETE WHERE 1`,
  alterBrackets: (n) => `ALTER TABLE t ${'(ADD COLUMN a Int8), '.repeat(n / 21)}(ADD COLUMN b Int8)`,
  insertColumns: (n) => `INSERT INTO t (${'a, '.repeat(n / 3)}a) VALUES (1)`,
  insertColumnsOpen: (n) => `INSERT INTO t (${'a, '.repeat(n / 3)}`,
  insertDots: (n) => `INSERT INTO t (${'a.'.repeat(n / 2)}a) VALUES (1)`,
  insertDotStar: (n) => `INSERT INTO t (${'a.'.repeat(n / 2)}`,
  insertData: (n) => `INSERT INTO t VALUES ${'(1), '.repeat(n / 5)}`,
  insertQuotedBadList: (n) => `INSERT INTO t (${'`a`, '.repeat(n / 5)}`,
  insertParens: (n) => `INSERT INTO t (${'()'.repeat(n / 2)}`,
  with: (n) => `WITH ${'(SELECT 1) AS x, '.repeat(n / 17)} (SELECT 1) AS y INSERT INTO t SELECT 1`,
  withOpen: (n) => `WITH ${'('.repeat(n)}`,
  withWords: (n) => `WITH ${'x '.repeat(n / 2)}`,
  withInserts: (n) => `WITH ${'insert '.repeat(n / 7)}`,
  view: (n) => `CREATE MATERIALIZED VIEW v TO t AS SELECT ${'a, '.repeat(n / 3)} a FROM q`,
  viewFormat: (n) => `CREATE MATERIALIZED VIEW v TO t AS SELECT ${'format '.repeat(n / 7)}`,
  viewFormatFormat: (n) => `CREATE MATERIALIZED VIEW v TO t AS SELECT ${'format x '.repeat(n / 9)} FROM q`,
  viewComment: (n) => `CREATE MATERIALIZED VIEW v TO t AS SELECT ${"comment 'x' ".repeat(n / 12)} FROM q`,
  viewSettings: (n) => `CREATE MATERIALIZED VIEW v TO t AS SELECT 1 ${'FORMAT x SETTINGS a=1 '.repeat(n / 22)}`,
  refreshDepends: (n) => `CREATE MATERIALIZED VIEW v REFRESH EVERY 1 DAY DEPENDS ON ${'a, '.repeat(n / 3)}a TO t AS SELECT 1`,
  period: (n) => `CREATE MATERIALIZED VIEW v REFRESH EVERY ${'1 DAY '.repeat(n / 6)} TO t AS SELECT 1`,
  case: (n) => `CREATE TABLE t (a Int8 DEFAULT ${'CASE WHEN 1 THEN '.repeat(n / 17)} 1 ${'END '.repeat(n / 17)}) ENGINE=Kafka`,
  caseNames: (n) => `CREATE TABLE t (a Int8 DEFAULT ${'CASE '.repeat(n / 5)}) ENGINE=Kafka`,
  nots: (n) => `CREATE TABLE t (a Int8 DEFAULT ${'NOT '.repeat(n / 4)} 1) ENGINE=Kafka`,
  isnot: (n) => `CREATE TABLE t (a Int8 DEFAULT 1 ${'IS NOT NULL '.repeat(n / 12)}) ENGINE=Kafka`,
  intervals: (n) => `CREATE TABLE t (a Int8 DEFAULT ${'INTERVAL 1 DAY + '.repeat(n / 17)} 1) ENGINE=Kafka`,
  ternary: (n) => `CREATE TABLE t (a Int8 DEFAULT ${'1 ? 2 : '.repeat(n / 8)} 1) ENGINE=Kafka`,
  calls: (n) => `CREATE TABLE t (a Int8 DEFAULT f${'()'.repeat(n / 2)}) ENGINE=Kafka`,
  casts: (n) => `CREATE TABLE t (a Int8 DEFAULT 1${'::Int8'.repeat(n / 6)}) ENGINE=Kafka`,
  orderbys: (n) => `CREATE TABLE t (a Int8) ENGINE=Kafka ${'ORDER BY a '.repeat(n / 11)}`,
  ttl: (n) => `CREATE TABLE t (a Int8) ENGINE=Kafka TTL ${'a DELETE, '.repeat(n / 10)} a`,
  ttlset: (n) => `CREATE TABLE t (a Int8) ENGINE=Kafka TTL a GROUP BY ${'a, '.repeat(n / 3)} a SET ${'a=1, '.repeat(n / 5)} b=1`,
  colattrs: (n) => `CREATE TABLE t (a Int8 ${"COMMENT 'x' ".repeat(n / 12)}) ENGINE=Kafka`,
  coltypes: (n) => `CREATE TABLE t (a ${'SIGNED '.repeat(n / 7)}) ENGINE=Kafka`,
  index: (n) => `CREATE TABLE t (a Int8, ${'INDEX i a TYPE minmax, '.repeat(n / 23)} b Int8) ENGINE=Kafka`,
  semis: (n) => `${KAFKA} ${'; '.repeat(n / 2)}`,
  semisBad: (n) => `${KAFKA} ${'; '.repeat(n / 2)} x`,
  spaces: (n) => `${KAFKA} ${' '.repeat(n)} x`,
  spacesStart: (n) => `${' '.repeat(n)}${KAFKA}`,
  params: (n) => `DROP TABLE ${'{a:Identifier}, '.repeat(n / 16)} a`,
  outfile: (n) => `SHOW CREATE TABLE t ${"INTO OUTFILE 'a' ".repeat(n / 17)}`,
  outfileAppend: (n) => `SHOW CREATE TABLE t INTO OUTFILE 'a' ${'APPEND '.repeat(n / 7)}`,
  replay: (n) => `SYSTEM REPLAY DEAD LETTERS t WHERE ${'a AND '.repeat(n / 6)} 1`,
  engineWords: (n) => `CREATE TABLE t ${'ENGINE '.repeat(n / 7)}`,
  unicode: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka('${'é😀'.repeat(n / 3)}')`,
  typographic: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(${'‘'.repeat(n)}`,
  typographic2: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(${'‘x’, '.repeat(n / 5)} 1)`,
  hex: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(x'${'41'.repeat(n / 2)}')`,
  errorTokens: (n) => `CREATE TABLE t (a Int8) ENGINE = Kafka(${'! '.repeat(n / 2)}`,
  newlines: (n) => `${'\n'.repeat(n)}CREATE TABLE`,
  kafkaEngines: (n) => `SELECT ${'engine '.repeat(n / 7)}`,
};

const NAMES: ReadonlySet<string> = new Set(['zzz']);

/** What is asked of a statement's text, the whole of it. */
const QUESTIONS: Readonly<Record<string, (text: string) => unknown>> = {
  parse: parseStatement,
  'mentions the engine': mentionsKafkaEngine,
  'mentions a name': (text) => mentionsIdentifier(text, NAMES),
  'first words': (text) => firstWords(text, 3),
  classify: (text) => classify(text, false, NAMES),
  'classify all of it': (text) => classify(text, true, NAMES),
  'source of an INSERT': (text) => sourceOf(text, { kind: 'insert', rest: 0 }),
  'SELECT without FORMAT': withoutOutput,
  'query of a view': (text) => {
    const at = text.search(/\bSELECT\b/);
    return at === -1 ? undefined : readViewQuery(text.slice(at));
  },
};

export interface Growth {
  readonly question: string;
  /** Time for `bytes`, and how many times as long that is as for an eighth of it. */
  readonly ms: number;
  readonly factor: number;
  readonly isLinear: boolean;
}

/** So many rounds are given to a shape that seems to take too long, and so many tries to each round. */
const ROUNDS = 3;
const TRIES = 2;
/** Three doublings, each of which may take three times as long; four times would be quadratic. */
const MOST_FACTOR = 27;
/** Less is not measured well enough. */
const LEAST_MS = 100;

/** How the time for a shape grows with its length, up to `most` characters. */
export async function growthOf(name: string, most: number): Promise<Growth[]> {
  const make = SHAPES[name];
  if (make === undefined) throw new Error(`no shape is called ${name}`);
  const [small, large] = [make(most / 8), make(most)];
  const found: Growth[] = [];
  for (const [question, ask] of Object.entries(QUESTIONS)) {
    let growth = measure(question, ask, small, large);
    for (let round = 1; round < ROUNDS && !growth.isLinear; round += 1) growth = measure(question, ask, small, large);
    found.push(growth);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return found;
}

function measure(question: string, ask: (text: string) => unknown, small: string, large: string): Growth {
  const ms = bestMs(() => ask(large));
  const smallMs = bestMs(() => ask(small));
  const factor = ms / Math.max(smallMs, 0.01);
  return { question, ms, factor, isLinear: ms < LEAST_MS || factor < MOST_FACTOR };
}

/** The best of some tries, in time of this process: others use the machine, too. */
function bestMs(run: () => unknown): number {
  let best = Infinity;
  for (let i = 0; i < TRIES && !(i > 0 && best > 1000); i += 1) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}
