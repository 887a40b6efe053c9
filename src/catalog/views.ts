import { FILLED_COLUMN_NAMES } from '../engine/index.ts';
import { ClickHouseException } from '../errors.ts';
import { readExplainAst, type ViewQuery } from '../sql/index.ts';
import { deliveryOf, withoutFsync, type Target } from './delivery.ts';
import { BUILT_IN_DEFAULTS, readOwnSettings, type MergeTreeDefaults } from './merge-tree-settings.ts';
import { keyOf, type ColumnsByTable, type ServerColumn, type ServerTable, type Store, type TableId } from './store.ts';
import type { Delivery, Hindrance } from './types.ts';

/** What the views on one table mean for its stream. */
export interface ViewState {
  /** `database.name` of the views directly on the table. */
  readonly views: readonly string[];
  /** Names of virtual columns that these views may read. */
  readonly usedVirtualColumns: ReadonlySet<string>;
  /** Everything behind the table that exists. */
  readonly dependents: readonly TableId[];
  readonly notReady?: string;
  readonly delivery: Delivery;
  /** Tables behind the views that do not write through to the disk. */
  readonly withoutFsync: readonly Hindrance[];
}

interface ReadSelect extends ViewQuery {
  /** It selects columns by a pattern, which may be any. */
  readonly hasColumnPattern: boolean;
}

const EVERY_VIRTUAL_COLUMN: ReadonlySet<string> = new Set(FILLED_COLUMN_NAMES);

type Settings = Readonly<Record<string, string>>;

/**
 * Follows views from tables to their targets and on. What a SELECT reads is asked from the server once for each text (`EXPLAIN AST`), and so are the
 * settings of a table read once for each text. Not for concurrent use.
 */
export class ViewReader {
  readonly #store: Store;
  #selects = new Map<string, ReadSelect>();
  /** By what stands behind `ENGINE =`. */
  #settings = new Map<string, Settings>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The state of each of `tables`, by `keyOf`. `columns` are the columns of all of them, without those that the gateway added. */
  async read(tables: readonly ServerTable[], columns: ColumnsByTable): Promise<Map<string, ViewState>> {
    const known = await this.#readCascade(tables);
    const selects = await this.#readSelects(tables, known);
    this.#selects = selects;
    const reached = new Map(tables.map((table) => [keyOf(table), tablesBehind(table, known)]));
    const hasTargets = [...reached.values()].some((behind) => behind.length > 0);
    const defaults = hasTargets ? await this.#store.mergeTreeDefaults() : BUILT_IN_DEFAULTS;
    this.#settings = this.#readSettings([...reached.values()].flat());
    return new Map(
      tables.map((table) => {
        const dependents = reached.get(keyOf(table)) ?? [];
        const targets = dependents.filter(keepsRows).map((one) => ({ table: one, settings: this.#settings.get(one.engineFull) ?? {} }));
        return [keyOf(table), stateOf(table, columns.get(keyOf(table)) ?? [], { known, selects, dependents, targets, defaults })];
      }),
    );
  }

  /** Of these tables; what was read for the last reading is not read again. */
  #readSettings(tables: readonly ServerTable[]): Map<string, Settings> {
    return new Map(tables.map(({ engineFull }) => [engineFull, this.#settings.get(engineFull) ?? readOwnSettings(engineFull)]));
  }

  /** All views behind `tables`, their targets, the views on these, and so on: one query a level. Missing ones are not in it. */
  async #readCascade(tables: readonly ServerTable[]): Promise<ReadonlyMap<string, ServerTable>> {
    const known = new Map(tables.map((table) => [keyOf(table), table]));
    const asked = new Set(known.keys());
    for (let level = tables; level.length > 0;) {
      const next = level.flatMap(({ views, target }) => [...views, ...(target ? [target] : [])]).filter((id) => !asked.has(keyOf(id)));
      for (const id of next) asked.add(keyOf(id));
      level = await this.#store.readTables(next);
      for (const table of level) known.set(keyOf(table), table);
    }
    return known;
  }

  async #readSelects(tables: readonly ServerTable[], known: ReadonlyMap<string, ServerTable>): Promise<Map<string, ReadSelect>> {
    const selects = new Map<string, ReadSelect>();
    for (const id of tables.flatMap(({ views }) => views)) {
      const select = known.get(keyOf(id))?.select;
      if (select === undefined || selects.has(select)) continue;
      const read = this.#selects.get(select) ?? (await this.#readSelect(select));
      if (read !== undefined) selects.set(select, read);
    }
    return selects;
  }

  /** Undefined when the server cannot tell: then the view may read anything. */
  async #readSelect(select: string): Promise<ReadSelect | undefined> {
    try {
      const tree = await this.#store.explainAst(select);
      return { ...readExplainAst(tree), hasColumnPattern: /^ *(?:Qualified)?Columns/m.test(tree) };
    } catch (error) {
      if (error instanceof ClickHouseException) return undefined;
      throw error;
    }
  }
}

interface Reading {
  readonly known: ReadonlyMap<string, ServerTable>;
  readonly selects: ReadonlyMap<string, ReadSelect>;
  readonly dependents: readonly TableId[];
  readonly targets: readonly Target[];
  readonly defaults: MergeTreeDefaults;
}

function stateOf(
  table: ServerTable,
  columns: readonly ServerColumn[],
  { known, selects, dependents, targets, defaults }: Reading,
): ViewState {
  const used = new Set<string>(table.views.length === 0 ? [] : usedByExpressions(columns));
  for (const id of table.views) {
    const select = selects.get(known.get(keyOf(id))?.select ?? '');
    for (const name of select === undefined ? EVERY_VIRTUAL_COLUMN : usedBySelect(select)) used.add(name);
  }
  const problem = table.views.map((id) => readsUnderItsName(table, known.get(keyOf(id)), selects)).find((reason) => reason !== undefined);
  const notReady = problem ?? missingBehind(table, known, new Set());
  return {
    views: table.views.map(printed).sort(),
    usedVirtualColumns: used,
    dependents: dependents.map(({ database, name }) => ({ database, name })),
    ...(notReady !== undefined && { notReady }),
    delivery: deliveryOf(targets, defaults),
    withoutFsync: withoutFsync(targets, defaults),
  };
}

/** What rows of `table` come to, each once, by name: its views, what they write to, the views on that, and so on. A view that writes TO a view means that one's table. */
function tablesBehind(table: ServerTable, known: ReadonlyMap<string, ServerTable>): ServerTable[] {
  const found = new Map<string, ServerTable>();
  const follow = (one: ServerTable): void => {
    if (found.has(keyOf(one))) return;
    found.set(keyOf(one), one);
    const next = one.engine === 'MaterializedView' && one.target ? [...one.views, one.target] : one.views;
    for (const id of next) {
      const behind = known.get(keyOf(id));
      if (behind !== undefined) follow(behind);
    }
  };
  follow(table);
  found.delete(keyOf(table));
  return [...found.values()].sort(byName);
}

/** `Null` passes rows through, a materialized view hands them on; a view of another kind (`WindowView`) keeps its rows itself. */
function keepsRows({ engine }: ServerTable): boolean {
  return engine !== 'Null' && engine !== 'MaterializedView';
}

function byName(one: ServerTable, other: ServerTable): number {
  return printed(one) < printed(other) ? -1 : 1;
}

/** After RENAME a view stays with the table but reads the old name: the server would take the rows and insert nothing. */
function readsUnderItsName(
  table: ServerTable,
  view: ServerTable | undefined,
  selects: ReadonlyMap<string, ReadSelect>,
): string | undefined {
  const select = view && selects.get(view.select);
  if (view === undefined || select === undefined) return undefined;
  const reads = select.tables.some((id) => id.table === table.name && (id.database ?? view.database) === table.database);
  return reads ? undefined : `view ${printed(view)} does not read ${printed(table)}: it names the table as it was called before`;
}

function missingBehind(table: ServerTable, known: ReadonlyMap<string, ServerTable>, seen: Set<string>): string | undefined {
  for (const id of table.views) {
    if (seen.has(keyOf(id))) continue;
    seen.add(keyOf(id));
    const view = known.get(keyOf(id));
    if (view === undefined) return `view ${printed(id)} does not exist`;
    const target = view.target && known.get(keyOf(view.target));
    if (view.target && !target) return `view ${printed(view)} writes to ${printed(view.target)}, which does not exist`;
    const behind = target && missingBehind(target, known, seen);
    if (behind !== undefined) return behind;
  }
  return undefined;
}

function printed({ database, name }: TableId): string {
  return `${database}.${name}`;
}

function usedBySelect({ identifiers, hasColumnPattern }: ReadSelect): Iterable<string> {
  if (hasColumnPattern) return EVERY_VIRTUAL_COLUMN;
  const names = [...identifiers];
  return [...EVERY_VIRTUAL_COLUMN].filter((column) => names.some((name) => isPartOf(name, column)));
}

/** The column itself, a subcolumn of it, or the group `_headers`, which stands for both of its arrays. */
function isPartOf(name: string, column: string): boolean {
  return name === column || name.startsWith(`${column}.`) || (name === '_headers' && column.startsWith('_headers.'));
}

/** A view may read a virtual column through a column that is computed (ALIAS, DEFAULT, …); which ones it reads is not looked at. */
function usedByExpressions(columns: readonly ServerColumn[]): string[] {
  const text = columns.map(({ defaultExpression }) => defaultExpression).join(' ');
  return [...EVERY_VIRTUAL_COLUMN].filter((column) => text.includes(column.replace(/\..*$/, '')));
}
