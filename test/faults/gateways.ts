import { startGateway, type GatewayPart } from '../parts/gateway.ts';
import type { Journal } from './journal.ts';
import type { Random } from './random.ts';

/** A gateway and what we do to it. */
export interface RunningGateway {
  readonly name: string;
  readonly part: GatewayPart;
  /** Stopped by SIGSTOP. */
  isPaused: boolean;
}

/** The gateways of a run: processes of the built program in front of the same server. */
export class Gateways {
  readonly #clickHouseUrl: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #journal: Journal;
  readonly #running = new Set<RunningGateway>();
  #count = 0;
  /** Gateways that ended though nobody ended them: one line each. */
  readonly deaths: string[] = [];

  constructor(clickHouseUrl: string, env: Readonly<Record<string, string>>, journal: Journal) {
    this.#clickHouseUrl = clickHouseUrl;
    this.#env = env;
    this.#journal = journal;
  }

  /** Those that have not ended, paused ones too. What died by itself is noted and forgotten. */
  get running(): readonly RunningGateway[] {
    for (const gateway of this.#running) {
      if (gateway.part.isRunning()) continue;
      this.deaths.push(`${gateway.name} died by itself:\n${gateway.part.logs().split('\n').slice(-15).join('\n')}`);
      this.#journal.say(`! ${gateway.name} died by itself`);
      this.#forget(gateway);
    }
    return [...this.#running];
  }

  /** Those that can work. */
  get awake(): readonly RunningGateway[] {
    return this.running.filter(({ isPaused }) => !isPaused);
  }

  pick(random: Random): RunningGateway {
    return random.pick(this.awake);
  }

  /** Answers when it listens, with servers behind it or not. */
  async start(): Promise<RunningGateway> {
    const name = `gateway ${(this.#count += 1)}`;
    const part = await startGateway({ clickHouseUrl: this.#clickHouseUrl, built: true, waitUntilReady: false, env: this.#env });
    const gateway: RunningGateway = { name, part, isPaused: false };
    this.#running.add(gateway);
    return gateway;
  }

  /** SIGKILL. */
  async kill(gateway: RunningGateway): Promise<void> {
    const ended = gateway.part.kill();
    this.#forget(gateway);
    await ended;
    this.#keepLog(gateway);
  }

  /** SIGTERM; its exit code. */
  async stop(gateway: RunningGateway): Promise<number | null> {
    const ended = gateway.part.stop();
    this.#forget(gateway);
    const code = await ended;
    this.#keepLog(gateway);
    return code;
  }

  pause(gateway: RunningGateway): void {
    gateway.isPaused = true;
    process.kill(gateway.part.pid, 'SIGSTOP');
  }

  resume(gateway: RunningGateway): void {
    if (gateway.part.isRunning()) process.kill(gateway.part.pid, 'SIGCONT');
    gateway.isPaused = false;
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.running.map(async (gateway) => this.stop(gateway)));
  }

  #forget(gateway: RunningGateway): void {
    this.#running.delete(gateway);
  }

  #keepLog({ name, part }: RunningGateway): void {
    this.#journal.keep(`${name.replace(' ', '-')}.log`, part.logs());
  }
}
