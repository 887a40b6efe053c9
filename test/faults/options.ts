import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KINDS, type Kind } from './kinds/index.ts';

export const HELP = `npm run test:faults -- [options]

Kills, stops, cuts and refuses while numbered messages flow from Kafka into ClickHouse, then compares every target with what the topics hold;
and while numbers are inserted into Kafka tables, into a table whose view writes to Kafka, and piped from topic to topic: each must be in the topic once.
Starts its own servers. Exit code 1 when a message is lost, doubled where the target can deduplicate, or never read.

  --faults N      how many; 500 when absent
  --short         a fault of most kinds in at most 4 minutes: what CI runs
  --minutes N     no new fault after so long; 120 when absent
  --seed N        the same faults again, though not at the same moments; random when absent
  --only A,B      some kinds only: ${KINDS.map(({ name }) => name).join(', ')}
  --peer          the server's own Kafka engine instead of the gateway, with the faults that it can meet
  --rate N        messages a second, over all topics; 600 when absent
  --journal DIR   where to keep the journal and the logs; a folder among the temporary ones when absent
  --help          show this
`;

export interface Options {
  readonly faults: number;
  readonly minutes: number;
  readonly seed: number;
  readonly kinds: readonly Kind[];
  readonly isPeer: boolean;
  readonly messagesPerSecond: number;
  readonly journalFolder: string;
}

const SHORT = { faults: KINDS.length, minutes: 2 };

/** Undefined: help was asked for. Throws what is wrong with the arguments. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      faults: { type: 'string' },
      short: { type: 'boolean', default: false },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string', default: '' },
      peer: { type: 'boolean', default: false },
      rate: { type: 'string', default: '600' },
      journal: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const standard = values.short ? SHORT : { faults: 500, minutes: 120 };
  const seed = values.seed === undefined ? randomInt(1_000_000) : positive('seed', values.seed);
  return {
    faults: values.faults === undefined ? standard.faults : positive('faults', values.faults),
    minutes: values.minutes === undefined ? standard.minutes : positive('minutes', values.minutes),
    seed,
    kinds: chosenKinds(values.only.split(',').filter(Boolean), values.peer),
    isPeer: values.peer,
    messagesPerSecond: positive('rate', values.rate),
    journalFolder: values.journal ?? join(tmpdir(), `sluice-faults-${seed}${values.peer ? '-peer' : ''}`),
  };
}

function chosenKinds(names: readonly string[], isPeer: boolean): Kind[] {
  const unknown = names.filter((name) => !KINDS.some((kind) => kind.name === name));
  if (unknown.length > 0) throw new Error(`--only does not know ${unknown.join(', ')}`);
  const kinds = KINDS.filter(({ name, meetsPeer }) => (names.length === 0 || names.includes(name)) && (meetsPeer || !isPeer));
  if (kinds.length === 0) throw new Error('the native engine can meet none of these');
  return kinds;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1, not '${text}'`);
  return value;
}
