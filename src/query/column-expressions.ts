import { clickhouseError } from '../errors.ts';
import { declaredElements, quoteIdentifier, quoteString, type CreateTable } from '../sql/index.ts';
import { isGranted } from './grants.ts';
import type { ClientSession } from './types.ts';

/** Reads of other tables in a tree of EXPLAIN QUERY TREE, with what is read. */
const READS = /^\s*(?:TABLE|TABLE_FUNCTION) id: .*\btable(?:_function)?_name: (.+)$/;
/** Functions that reach data of the server, and look for the grant only when there are rows. */
const REACHES = /^\s*FUNCTION id: \d+, function_name: ((?:dict|joinGet|ai)\w*),/;
const STRUCTURE = 'null';

/**
 * Columns' defaults and constraints are evaluated when messages are inserted, by the service account, whose rights are not the client's. Throws ACCESS_DENIED
 * for an expression that reaches beyond the row. (The server's own engine has neither.)
 */
export async function requireOwnExpressions(create: CreateTable, landing: string, session: ClientSession): Promise<void> {
  const isPlain = (create.elements?.items ?? []).every((item) => item.kind === 'column' && item.defaultKind === undefined);
  if (isPlain) return;
  // The client's expressions may be over virtual columns, which the landing table has.
  const items = declaredElements(landing) ?? [];
  const constraints = items.filter(({ element }) => element.kind === 'constraint').map(({ text }) => conditionOf(text));
  const columns = items.filter(({ element }) => element.kind === 'column').map(({ text }) => text);
  const declared = await session.query(describeColumns(columns));
  const defaults = declared.flatMap(([, , , expression = '']) => (expression === '' ? [] : [expression]));
  const expressions = [...defaults, ...constraints].map((expression) => `ignore(${expression}\n)`);
  if (expressions.length === 0) return;
  const structure = declared.map(([name = '', type = '']) => `${quoteIdentifier(name)} ${type}`).join(', ');
  const tree = await session.query(
    `EXPLAIN QUERY TREE SELECT ${expressions.join(', ')} FROM ${STRUCTURE}(${quoteString(structure)})${ANY_TYPE}`,
  );
  await requireWithin(
    tree.map(([line = '']) => line),
    session,
  );
}

/** What the client sets in its request is not known to a helper query, and the statement itself is looked at by the server. */
const ANY_TYPE =
  ' SETTINGS allow_suspicious_low_cardinality_types = 1, allow_suspicious_variant_types = 1, allow_suspicious_fixed_string_types = 1';

function describeColumns(columns: readonly string[]): string {
  return `DESCRIBE TABLE ${STRUCTURE}(${quoteString(columns.join(', '))})${ANY_TYPE}, print_pretty_type_names = 0`;
}

/** `CONSTRAINT name CHECK|ASSUME condition` */
function conditionOf(constraint: string): string {
  return constraint.replace(/^CONSTRAINT\s+(?:`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|\S+)\s+(?:CHECK|ASSUME)\b/i, '');
}

async function requireWithin(tree: readonly string[], session: ClientSession): Promise<void> {
  const reads = tree.map((line) => READS.exec(line)?.[1]).filter((name) => name !== undefined && name !== STRUCTURE);
  if (reads[0] !== undefined) throw refusal(`reads ${reads[0]}`);
  const reaching = tree.map((line) => REACHES.exec(line)?.[1]).find((name) => name !== undefined);
  if (reaching === undefined) return;
  if (await isGranted(['SELECT ON *.*', 'dictGet ON *.*', 'NAMED COLLECTION ON *'], session)) return;
  throw refusal(`calls ${reaching}`);
}

function refusal(what: string): Error {
  return clickhouseError(
    'ACCESS_DENIED',
    `Not enough privileges. An expression among the columns of a Kafka table ${what}: it would be evaluated with the rights of the gateway's service account. ` +
      'Put it into the view, which has rights of its own',
  );
}
