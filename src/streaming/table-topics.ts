import { TopicWatch, type ClientOptions } from '../kafka/index.ts';
import type { Logger } from '../logger.ts';
import { pause } from '../pauses.ts';
import { TopicMemory } from './topic-memory.ts';

/** How often the topics are looked at, and how often while one of them is missing. */
const TOPIC_CHECK_MS = 5_000;
const MISSING_TOPIC_CHECK_MS = 1_000;

export interface TableTopicsOptions {
  readonly client: ClientOptions;
  readonly topics: readonly string[];
  /** These do not exist; told once until others are missing. */
  readonly onMissing: (topics: readonly string[]) => void;
  /** These were deleted and made anew: their offsets are other messages' now. */
  readonly onMadeAnew: (topics: readonly string[]) => void;
  /** Others exist than before. */
  readonly onChanged: () => void;
  readonly logger: Logger;
}

/** Which of a table's topics there are, looked at now and then. */
export class TableTopics {
  readonly #options: TableTopicsOptions;
  readonly #watch: TopicWatch;
  readonly #memory = new TopicMemory();
  #looking: Promise<readonly string[]> | undefined;
  /** Topics that were said to be missing. */
  #missing = '';

  constructor(options: TableTopicsOptions) {
    this.#options = options;
    this.#watch = new TopicWatch(options.client, options.logger);
  }

  /** Looks until `signal` is aborted. Never rejects: consumers tell by themselves that no broker answers. */
  async keepLooking(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#missing === '' ? TOPIC_CHECK_MS : MISSING_TOPIC_CHECK_MS, signal);
      await this.look().catch(() => undefined);
    }
  }

  /** The topics that are there; once for all who ask at the same time. Throws `KafkaError` when no broker answers. */
  look(): Promise<readonly string[]> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  close(): void {
    this.#watch.close();
  }

  async #lookNow(): Promise<readonly string[]> {
    const { topics, onMissing, onMadeAnew, onChanged } = this.#options;
    const { existing, missing, madeAnew, isChanged } = this.#memory.note(topics, await this.#watch.look(topics));
    if (missing.length > 0 && missing.join() !== this.#missing) onMissing(missing);
    this.#missing = missing.join();
    if (madeAnew.length > 0) onMadeAnew(madeAnew);
    else if (isChanged) onChanged();
    return existing;
  }
}
