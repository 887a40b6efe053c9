import { clickhouseError } from '../errors.ts';
import type { ColumnDeclaration, CreateTable, TableElement } from '../sql/index.ts';
import type { Ask } from './ask.ts';

interface EngineFeature {
  readonly isUsed: (create: CreateTable) => boolean;
  readonly refusal: string;
  /** Column of `system.table_engines` that marks the engines which have it. */
  readonly column: string;
}

/** What a CREATE TABLE may hold for other engines but not for Kafka, in the order the server looks (`StorageFactory::get`). */
const FEATURES: readonly EngineFeature[] = [
  {
    isUsed: ({ storageClauses, elements }) =>
      storageClauses.some(({ kind }) => kind !== 'ttl') || (elements?.items ?? []).some((item) => item.kind === 'primary-key'),
    refusal: "doesn't support PARTITION_BY, PRIMARY_KEY, ORDER_BY or SAMPLE_BY clauses",
    column: 'supports_sort_order',
  },
  {
    isUsed: ({ storageClauses, elements }) =>
      storageClauses.some(({ kind }) => kind === 'ttl') || (elements?.items ?? []).some((item) => item.kind === 'column' && item.hasTtl),
    refusal: "doesn't support TTL clause",
    column: 'supports_ttl',
  },
  { isUsed: has('index'), refusal: "doesn't support skipping indices", column: 'supports_skipping_indices' },
  { isUsed: has('projection'), refusal: "doesn't support projections", column: 'supports_projections' },
];

function has(kind: TableElement['kind']): EngineFeature['isUsed'] {
  return ({ elements }) => (elements?.items ?? []).some((item) => item.kind === kind);
}

/** Throws the server's exception for the first feature that the Kafka engine does not have; the server tells which engines do. */
export async function checkEngineFeatures(create: CreateTable, ask: Ask): Promise<void> {
  const feature = FEATURES.find(({ isUsed }) => isUsed(create));
  if (feature === undefined) return;
  const rows = await ask(`SELECT name FROM system.table_engines WHERE ${feature.column}`);
  const engines = rows.map(([name]) => name).join(', ');
  const text = `Engine Kafka ${feature.refusal}. Currently only the following engines have support for the feature: [${engines}]`;
  throw clickhouseError('BAD_ARGUMENTS', text);
}

/** Throws for a column declared twice, and when none could be stored or filled by an INSERT; this the server finds before it looks at the engine. */
export function checkInsertableColumns(create: CreateTable): void {
  if (create.elements === undefined) return;
  const columns = create.elements.items.filter((item): item is ColumnDeclaration => item.kind === 'column');
  const seen = new Set<string>();
  const twice = columns.map(({ name }) => name).find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) throw clickhouseError('ILLEGAL_COLUMN', `Cannot add column ${twice}: column with this name already exists`);
  const physical = columns.filter(({ defaultKind }) => defaultKind !== 'ALIAS' && defaultKind !== 'EPHEMERAL');
  if (physical.length === 0) throw clickhouseError('EMPTY_LIST_OF_COLUMNS_PASSED', 'Cannot CREATE table without physical columns');
  if (physical.every(({ defaultKind }) => defaultKind === 'MATERIALIZED')) {
    throw clickhouseError('EMPTY_LIST_OF_COLUMNS_PASSED', 'Cannot CREATE table without insertable columns');
  }
}
