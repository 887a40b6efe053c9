import { waitFor } from '../../parts/wait-for.ts';
import { pauseMs } from '../producers.ts';
import type { OutboxRule, OutboxStatement } from '../proxies/clickhouse-proxy.ts';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';
import type { Kind } from './kind.ts';

const FIRST_STATEMENT_TIMEOUT_MS = 10_000;

const STATEMENTS: readonly OutboxStatement[] = ['read', 'drop part'];

/** Lets `makeRule` decide about every other statement about an outbox, from the first one on for so long. */
function harming(name: string, what: string, makeRule: (random: Random) => OutboxRule): Kind {
  return {
    name,
    harms: ['outboxes'],
    meetsPeer: false,
    run: async ({ clickHouseProxy }: World, random) => {
      const counts = { read: 0, 'drop part': 0 };
      const durationMs = random.between(500, 4000);
      clickHouseProxy.outboxRule = (statement) => {
        if (random.chance(0.5)) return undefined;
        counts[statement] += 1;
        return makeRule(random);
      };
      await waitFor(() => STATEMENTS.some((statement) => counts[statement] > 0), { timeoutMs: FIRST_STATEMENT_TIMEOUT_MS }).catch(
        () => undefined,
      );
      await pauseMs(durationMs);
      clickHouseProxy.outboxRule = undefined;
      return `${counts.read} readings and ${counts['drop part']} DROP PART ${what}, in ${durationMs} ms`;
    },
  };
}

export const OUTBOX_KINDS: readonly Kind[] = [
  harming('outbox-refused', 'refused', (random) => ({
    kind: 'settings',
    // A statement that changes nothing is read only, too: the row limit is for it.
    settings: random.pick(['readonly=1&max_rows_to_read=1', 'max_memory_usage=1000']),
  })),
  harming('outbox-cut', 'cut', (random) => ({ kind: 'cut', afterBytes: random.between(1, 1500) })),
  harming('outbox-answers-lost', 'whose answers were lost or cut', (random) =>
    random.chance(0.5) ? { kind: 'lose-answer' } : { kind: 'cut-answer', afterBytes: random.between(1, 3000) },
  ),
];
