import type { TopicState } from '../kafka/index.ts';

export interface TopicNews {
  readonly existing: readonly string[];
  readonly missing: readonly string[];
  /** Deleted and made anew since they were last there. */
  readonly madeAnew: readonly string[];
  /** Others are there than the last time; false the first time. */
  readonly isChanged: boolean;
}

/** What a table's topics were when they were looked at last, as long as the process lives. */
export class TopicMemory {
  readonly #ids = new Map<string, string>();
  #existing: string | undefined;

  note(topics: readonly string[], found: ReadonlyMap<string, TopicState>): TopicNews {
    const existing = topics.filter((topic) => found.has(topic));
    const madeAnew = existing.filter((topic) => this.#isAnother(topic, found.get(topic)?.id));
    const isChanged = this.#existing !== undefined && this.#existing !== existing.join();
    this.#existing = existing.join();
    return { existing, missing: topics.filter((topic) => !found.has(topic)), madeAnew, isChanged };
  }

  #isAnother(topic: string, id: string | undefined): boolean {
    if (id === undefined) return false;
    const known = this.#ids.get(topic) ?? id;
    this.#ids.set(topic, id);
    return known !== id;
  }
}
