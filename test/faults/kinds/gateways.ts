import { pauseMs } from '../producers.ts';
import { SESSION_TIMEOUT_MS, type World } from '../world.ts';
import type { Kind } from './kind.ts';

export const MOST_GATEWAYS = 3;

const hasAwake = ({ gateways }: World): boolean => gateways.awake.length > 0;

const killed: Kind = {
  name: 'gateway-killed',
  harms: ['gateways'],
  meetsPeer: false,
  isPossible: hasAwake,
  run: async ({ gateways }, random) => {
    const gateway = gateways.pick(random);
    await gateways.kill(gateway);
    const downMs = random.chance(0.5) ? 0 : random.between(0, 3000);
    await pauseMs(downMs);
    await gateways.start();
    return `${gateway.name} SIGKILL, another one ${downMs} ms later`;
  },
};

const allKilled: Kind = {
  name: 'all-gateways-killed',
  harms: ['gateways'],
  meetsPeer: false,
  isPossible: hasAwake,
  run: async ({ gateways }) => {
    const hit = gateways.awake;
    await Promise.all(hit.map(async (gateway) => gateways.kill(gateway)));
    await Promise.all(hit.map(async () => gateways.start()));
    return `${hit.map(({ name }) => name).join(', ')} SIGKILL at once`;
  },
};

/** Stopped for longer than its session lasts: it wakes up as a zombie whose partitions others have. */
const zombie: Kind = {
  name: 'gateway-zombie',
  harms: ['gateways'],
  meetsPeer: false,
  isPossible: hasAwake,
  run: async ({ gateways }, random) => {
    const gateway = gateways.pick(random);
    const pausedMs = SESSION_TIMEOUT_MS + random.between(500, 4000);
    gateways.pause(gateway);
    await pauseMs(pausedMs);
    gateways.resume(gateway);
    return `${gateway.name} SIGSTOP for ${pausedMs} ms`;
  },
};

const paused: Kind = {
  name: 'gateway-paused',
  harms: ['gateways'],
  meetsPeer: false,
  isPossible: hasAwake,
  run: async ({ gateways }, random) => {
    const gateway = gateways.pick(random);
    const pausedMs = random.between(200, 3000);
    gateways.pause(gateway);
    await pauseMs(pausedMs);
    gateways.resume(gateway);
    return `${gateway.name} SIGSTOP for ${pausedMs} ms`;
  },
};

const joins: Kind = {
  name: 'gateway-joins',
  harms: ['gateways'],
  meetsPeer: false,
  isPossible: ({ gateways }) => gateways.running.length < MOST_GATEWAYS,
  run: async ({ gateways }) => {
    const gateway = await gateways.start();
    return `${gateway.name}, now ${gateways.running.length}`;
  },
};

const leaves: Kind = {
  name: 'gateway-leaves',
  harms: ['gateways'],
  meetsPeer: false,
  isPossible: ({ gateways }) => gateways.awake.length > 1,
  run: async ({ gateways }, random) => {
    const gateway = gateways.pick(random);
    const code = await gateways.stop(gateway);
    return `${gateway.name} SIGTERM, ended with ${String(code)}, now ${gateways.running.length}`;
  },
};

/** Ended in order and at once started again, as by a roll-out. */
const restarted: Kind = {
  name: 'gateway-restarted',
  harms: ['gateways'],
  meetsPeer: false,
  isPossible: hasAwake,
  run: async ({ gateways }, random) => {
    const gateway = gateways.pick(random);
    const [code] = await Promise.all([gateways.stop(gateway), gateways.start()]);
    return `${gateway.name} SIGTERM, ended with ${String(code)}, another one at the same time`;
  },
};

export const GATEWAY_KINDS: readonly Kind[] = [killed, allKilled, zombie, paused, joins, leaves, restarted];
