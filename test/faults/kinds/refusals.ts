import { waitFor } from '../../parts/wait-for.ts';
import type { Random } from '../random.ts';
import { pauseMs } from '../producers.ts';
import { MEMORY_SWITCH, THROW_SWITCH } from '../schema.ts';
import type { World } from '../world.ts';
import type { Kind } from './kind.ts';

const FIRST_INSERT_TIMEOUT_MS = 20_000;

const between = (random: Random): number => random.between(500, 4000);

/** A target whose table refuses everything by a setting, for a while. */
function refusing(name: string, setting: string, refusal: string): Kind {
  return {
    name,
    harms: ['targets'],
    meetsPeer: true,
    run: async ({ schema, atServer }, random) => {
      const table = `${schema.database}.${random.pick(schema.refusable)}`;
      const durationMs = between(random);
      await atServer(`ALTER TABLE ${table} MODIFY SETTING ${setting}`);
      await pauseMs(durationMs);
      await atServer(`ALTER TABLE ${table} RESET SETTING ${setting.split(' = ')[0] ?? ''}`);
      return `${table} refuses with ${refusal} for ${durationMs} ms`;
    },
  };
}

/** A view that throws because of what stands in another table. */
function switchedOn(name: string, table: string, refusal: string): Kind {
  return {
    name,
    harms: ['switches'],
    meetsPeer: true,
    run: async ({ atServer }, random) => {
      const durationMs = between(random);
      await atServer(`INSERT INTO ${table} VALUES (1)`);
      await pauseMs(durationMs);
      await atServer(`TRUNCATE TABLE ${table}`);
      return `${refusal} for ${durationMs} ms`;
    },
  };
}

/** The service account may do less for a while: settings that the proxy adds to INSERTs make the server itself refuse them. */
function limited(name: string, settings: string, refusal: string): Kind {
  return {
    name,
    harms: ['inserts'],
    meetsPeer: false,
    run: async ({ clickHouseProxy }: World, random) => {
      const durationMs = between(random);
      let count = 0;
      clickHouseProxy.rule = () => {
        count += 1;
        return { kind: 'settings', settings };
      };
      await waitFor(() => count > 0, { timeoutMs: FIRST_INSERT_TIMEOUT_MS }).catch(() => undefined);
      await pauseMs(durationMs);
      clickHouseProxy.rule = undefined;
      return `${count} INSERTs refused with ${refusal} in ${durationMs} ms`;
    },
  };
}

export const REFUSAL_KINDS: readonly Kind[] = [
  refusing('too-many-parts', 'parts_to_throw_insert = 1', 'TOO_MANY_PARTS'),
  refusing('disk-full', 'min_free_disk_bytes_to_perform_insert = 1000000000000000', 'NOT_ENOUGH_SPACE'),
  switchedOn('view-throws', THROW_SWITCH, 'one of several views throws'),
  switchedOn('view-out-of-memory', MEMORY_SWITCH, 'the last view of a cascade: MEMORY_LIMIT_EXCEEDED'),
  limited('memory-limit', 'max_memory_usage=200000', 'MEMORY_LIMIT_EXCEEDED'),
  limited('readonly', 'readonly=1', 'READONLY'),
];
