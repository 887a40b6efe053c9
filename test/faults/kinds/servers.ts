import { waitFor } from '../../parts/wait-for.ts';
import { pauseMs } from '../producers.ts';
import { isAlive } from '../world.ts';
import type { Kind } from './kind.ts';

const kafkaKilled: Kind = {
  name: 'kafka-killed',
  harms: ['kafka'],
  meetsPeer: true,
  run: async ({ kafka }, random) => {
    const downMs = random.between(0, 3000);
    await kafka.kill();
    await pauseMs(downMs);
    await kafka.restart();
    return `SIGKILL, down for ${downMs} ms and its start`;
  },
};

const kafkaRestarted: Kind = {
  name: 'kafka-restarted',
  harms: ['kafka'],
  meetsPeer: true,
  run: async ({ kafka }) => {
    const { pid } = kafka;
    process.kill(pid, 'SIGTERM');
    await waitFor(() => !isAlive(pid), { message: 'Kafka to end' });
    await kafka.restart();
    return 'SIGTERM and a start';
  },
};

const clickHouseKilled: Kind = {
  name: 'clickhouse-killed',
  harms: ['clickhouse'],
  meetsPeer: true,
  run: async (world, random) => {
    const downMs = random.between(0, 3000);
    world.isClickHouseDown = true;
    await world.clickHouse.kill();
    await pauseMs(downMs);
    await world.clickHouse.restart();
    world.isClickHouseDown = false;
    return `SIGKILL, down for ${downMs} ms and its start`;
  },
};

/** Killed while an INSERT is being worked on. */
const clickHouseKilledAtWork: Kind = {
  name: 'clickhouse-killed-at-work',
  harms: ['clickhouse'],
  meetsPeer: false,
  run: async (world, random) => {
    const delayMs = random.between(0, 30);
    await waitFor(() => world.clickHouseProxy.running > 0, { message: 'an INSERT under way', timeoutMs: 20_000 }).catch(() => undefined);
    await pauseMs(delayMs);
    world.isClickHouseDown = true;
    await world.clickHouse.kill();
    await world.clickHouse.restart();
    world.isClickHouseDown = false;
    return `SIGKILL ${delayMs} ms into an INSERT`;
  },
};

export const SERVER_KINDS: readonly Kind[] = [kafkaKilled, kafkaRestarted, clickHouseKilled, clickHouseKilledAtWork];
