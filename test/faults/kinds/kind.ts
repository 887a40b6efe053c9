import type { Random } from '../random.ts';
import type { World } from '../world.ts';

type Harmed =
  'gateways' | 'kafka' | 'clickhouse' | 'inserts' | 'commits' | 'transactions' | 'outboxes' | 'targets' | 'switches' | 'statements';

/** A kind of fault. */
export interface Kind {
  /** A few words with dashes: what `--only` takes and the report names. */
  readonly name: string;
  /** What it harms: two faults on the same thing never overlap. */
  readonly harms: readonly Harmed[];
  /** Whether the native engine can meet it, too. */
  readonly meetsPeer: boolean;
  /** False: not now. */
  isPossible?(world: World): boolean;
  /** Harms and heals; resolves when everything is as before. Answers details for the log. */
  run(world: World, random: Random): Promise<string>;
}
