import { nameBehindOutbox, OUTBOX_COMMENT_PREFIX, OUTBOX_MEMORY } from '../engine/index.ts';
import { tableNameText } from './table-name.ts';
import type { MergeTreeDefaults, MergeTreeSettingName } from './merge-tree-settings.ts';
import type { ServerTable } from './store.ts';
import type { Delivery, DeliveryTarget, Hindrance } from './types.ts';

/** A table that rows come to, with the settings that stand in its own definition. */
export interface Target {
  readonly table: ServerTable;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * The window counts blocks, and an INSERT makes one for each partition that it touches, up to so many (`max_partitions_per_insert_block`). A window
 * of less forgets the first ones of an INSERT before its last (tried: 2 blocks and an INSERT into 3 partitions, repeated, doubled).
 */
const LEAST_BLOCKS = 100;
/** What is proposed: as many as replicated tables have by default. */
const PROPOSED = { blocks: '10000', seconds: '3600' };

/** What the server can promise of INSERTs that are repeated, given where the rows end up. `defaults`: of tables that have no settings of their own. */
export function deliveryOf(targets: readonly Target[], defaults: MergeTreeDefaults): Delivery {
  const prevents = targets.flatMap((target) => preventedBy(target, defaults));
  return {
    guarantee: prevents.length === 0 ? 'exactly once' : 'at least once',
    prevents,
    targets: targets.filter(({ table }) => isMergeTree(table)).map((target) => described(target, defaults)),
  };
}

/** The targets that may lose acknowledged rows when the power fails, since they are not written through to the disk. */
export function withoutFsync(targets: readonly Target[], defaults: MergeTreeDefaults): Hindrance[] {
  return targets.flatMap((target): Hindrance[] => {
    if (!isMergeTree(target.table)) {
      return [hindrance(target, `engine ${target.table.engine} has no setting that makes an INSERT wait for the disk`)];
    }
    const missing = FSYNC.filter((name) => valueOf(name, target, defaults) !== '1');
    return missing.length === 0
      ? []
      : [needs(target, `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} 0`, FSYNC, ['1', '1'])];
  });
}

const FSYNC = ['fsync_after_insert', 'fsync_part_directory'] as const;

function preventedBy(target: Target, defaults: MergeTreeDefaults): Hindrance[] {
  const { table } = target;
  if (isOutbox(table)) return [];
  if (!isMergeTree(table))
    return [hindrance(target, OTHER_ENGINES[table.engine] ?? `engine ${table.engine} does not know a repeated block`)];
  const window = windowName(table);
  const blocks = Number(valueOf(window, target, defaults));
  if (blocks === 0) return [needs(target, `${window} is 0`, [window], [PROPOSED.blocks])];
  if (blocks < LEAST_BLOCKS) {
    return [needs(target, `${window} is ${blocks}, and one INSERT can have ${LEAST_BLOCKS} blocks`, [window], [PROPOSED.blocks])];
  }
  if (!isReplicated(table) || valueOf(SECONDS, target, defaults) !== '0') return [];
  return [needs(target, `${SECONDS} is 0`, [SECONDS], [PROPOSED.seconds])];
}

const SECONDS = 'replicated_deduplication_window_seconds';

/** Why not, where there is more to say than that the engine cannot. */
const OTHER_ENGINES: Readonly<Record<string, string>> = {
  Buffer: 'engine Buffer holds rows back and passes them on as blocks of its own',
  Distributed: 'engine Distributed passes rows on to tables that the gateway does not see',
};

function described(target: Target, defaults: MergeTreeDefaults): DeliveryTarget {
  const { table } = target;
  if (isOutbox(table)) return { table: printed(table), ...OUTBOX_MEMORY };
  return {
    table: printed(table),
    blocks: Number(valueOf(windowName(table), target, defaults)),
    ...(isReplicated(table) && { seconds: Number(valueOf(SECONDS, target, defaults)) }),
  };
}

/** The gateway itself leaves out what was inserted into it twice. */
function isOutbox({ name, comment }: ServerTable): boolean {
  return nameBehindOutbox(name) !== undefined && comment.startsWith(OUTBOX_COMMENT_PREFIX);
}

function windowName(table: ServerTable): MergeTreeSettingName {
  return isReplicated(table) ? 'replicated_deduplication_window' : 'non_replicated_deduplication_window';
}

function isMergeTree({ engine }: ServerTable): boolean {
  return engine.endsWith('MergeTree');
}

function isReplicated({ engine }: ServerTable): boolean {
  return engine.startsWith('Replicated') || engine.startsWith('Shared');
}

function valueOf(name: MergeTreeSettingName, { table, settings }: Target, defaults: MergeTreeDefaults): string {
  const value = settings[name] ?? (isReplicated(table) ? defaults.replicated : defaults.plain)[name] ?? '0';
  return value === 'true' ? '1' : value === 'false' ? '0' : value;
}

function hindrance({ table }: Target, reason: string): Hindrance {
  return { table: printed(table), reason };
}

function needs({ table }: Target, reason: string, names: readonly string[], values: readonly string[]): Hindrance {
  const settings = names.map((name, index) => `${name} = ${values[index] ?? ''}`).join(', ');
  return { table: printed(table), reason, statement: `ALTER TABLE ${tableNameText(table)} MODIFY SETTING ${settings}` };
}

function printed({ database, name }: ServerTable): string {
  return `${database}.${name}`;
}
