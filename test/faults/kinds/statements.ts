import { pauseMs } from '../producers.ts';
import type { Kind } from './kind.ts';

const viewAltered: Kind = {
  name: 'view-altered',
  harms: ['statements'],
  meetsPeer: true,
  run: async ({ schema, statement }, random) => {
    const { name, queries } = schema.alteredView;
    const query = random.pick(queries);
    await statement(`ALTER TABLE ${schema.database}.${name} MODIFY QUERY ${query}`);
    return name;
  },
};

const detached: Kind = {
  name: 'table-detached',
  harms: ['statements'],
  meetsPeer: true,
  run: async ({ schema, statement }, random) => {
    const table = `${schema.database}.${random.pick(schema.kafkaTables)}`;
    const awayMs = random.pick([0, random.between(0, 3000)]);
    await statement(`DETACH TABLE ${table}`, /UNKNOWN_TABLE/);
    await pauseMs(awayMs);
    await statement(`ATTACH TABLE ${table}`, /TABLE_ALREADY_EXISTS/);
    return `${table}, attached again after ${awayMs} ms`;
  },
};

const MOST_PARTITIONS = 12;

const partitionsAdded: Kind = {
  name: 'partitions-added',
  harms: ['kafka'],
  meetsPeer: true,
  isPossible: ({ schema }) => schema.topics.some(({ partitions }) => partitions < MOST_PARTITIONS),
  run: async ({ schema, kafka }, random) => {
    const topic = random.pick(schema.topics.filter(({ partitions }) => partitions < MOST_PARTITIONS));
    await kafka.addPartitions(topic.name, topic.partitions + 1);
    topic.partitions += 1;
    return `${topic.name} has ${topic.partitions} now`;
  },
};

export const STATEMENT_KINDS: readonly Kind[] = [viewAltered, detached, partitionsAdded];
