import { isAddedColumn, readPublicDefinition, virtualColumnsOf, type Definition } from '../../engine/index.ts';
import { textOf, type SettingsClause, type ShowTable } from '../../sql/index.ts';
import { printedName, readLanding, selectRows, type StatementContext } from '../context.ts';
import type { Action, ClientSession } from '../types.ts';

const COLUMNS = ['name', 'type', 'default_type', 'default_expression', 'comment', 'codec_expression', 'ttl_expression'] as const;

interface DescribeSettings {
  readonly isCompact: boolean;
  readonly withVirtualColumns: boolean;
  readonly withSubcolumns: boolean;
}

/** DESCRIBE of a managed table lists the columns of the real one: virtual columns only when asked for, and marked. */
export async function describe({ name, tail, settings: written }: ShowTable, { text, session }: StatementContext): Promise<Action> {
  const landing = await readLanding(name, session);
  const definition = landing && readPublicDefinition(landing.comment);
  if (definition === undefined) return { kind: 'forward' };
  const settings = await describeSettings(session, written, text);
  const own = await ownColumns(name, definition, settings, session);
  const virtual = settings.withVirtualColumns ? virtualColumns(own, definition, settings) : [];
  return { kind: 'run', sql: selectRows(columnsOf(settings), [...own, ...virtual], tail) };
}

async function describeSettings(session: ClientSession, written: readonly SettingsClause[], text: string): Promise<DescribeSettings> {
  const assignments = written.flatMap((clause) => clause.assignments.map(({ span }) => textOf(text, span)));
  const clause = assignments.length === 0 ? '' : ` SETTINGS ${assignments.join(', ')}`;
  const values = ['describe_compact_output', 'describe_include_virtual_columns', 'describe_include_subcolumns'].map(
    (name) => `toUInt8(getSetting('${name}'))`,
  );
  const [[compact, virtual, subcolumns] = []] = await session.run(`SELECT ${values.join(', ')}${clause}`);
  return { isCompact: compact === '1', withVirtualColumns: virtual === '1', withSubcolumns: subcolumns === '1' };
}

async function ownColumns(
  name: ShowTable['name'],
  definition: Definition,
  { isCompact, withSubcolumns }: DescribeSettings,
  session: ClientSession,
): Promise<string[][]> {
  const settings = `describe_compact_output = 0, describe_include_virtual_columns = 0, describe_include_subcolumns = ${withSubcolumns ? 1 : 0}`;
  const rows = await session.query(`DESCRIBE TABLE ${printedName(name)} SETTINGS ${settings}`);
  const hidden = rows.map(([name = '', , defaultKind]) => ({ name, defaultKind })).filter((column) => isAddedColumn(definition, column));
  const shown = rows.filter((row) => !hidden.some((column) => row[0] === column.name || row[0]?.startsWith(`${column.name}.`)));
  return shown.map((row) => shaped(row, isCompact));
}

function shaped(row: readonly string[], isCompact: boolean): string[] {
  return isCompact ? row.slice(0, 2) : [...row];
}

/** Those that no column of the user hides; the marks of subcolumn and virtual column come last, as in `columnsOf`. */
function virtualColumns(own: string[][], definition: Definition, settings: DescribeSettings): string[][] {
  for (const row of own) row.push('0');
  const names = new Set(own.map(([name]) => name));
  const empty = settings.isCompact ? [] : COLUMNS.slice(2).map(() => '');
  const marks = settings.withSubcolumns ? ['0', '1'] : ['1'];
  return virtualColumnsOf(definition.settings)
    .filter(({ name }) => !names.has(name))
    .map(({ name, type }) => [name, type, ...empty, ...marks]);
}

function columnsOf({ isCompact, withSubcolumns, withVirtualColumns }: DescribeSettings): { name: string; isNumber?: boolean }[] {
  const columns: { name: string; isNumber?: boolean }[] = (isCompact ? COLUMNS.slice(0, 2) : COLUMNS).map((name) => ({ name }));
  if (withSubcolumns) columns.push({ name: 'is_subcolumn', isNumber: true });
  if (withVirtualColumns) columns.push({ name: 'is_virtual', isNumber: true });
  return columns;
}
