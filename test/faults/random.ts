/** Random choices that a seed decides: the same seed draws the same kinds with the same parameters. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 on, below 1. Mulberry32, of the public domain. */
  float(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.float() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.float() * items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const rest = [...items];
    const shuffled: T[] = [];
    while (rest.length > 0) shuffled.push(...rest.splice(Math.floor(this.float() * rest.length), 1));
    return shuffled;
  }
}

/** Cards that are drawn until there is none, then all again: every card comes up as often as every other one. */
export class Deck<T> {
  readonly #cards: readonly T[];
  readonly #random: Random;
  #left: T[] = [];

  constructor(cards: readonly T[], random: Random) {
    this.#cards = cards;
    this.#random = random;
  }

  /** The next card that `suits`, undefined when none in the deck does. What does not suit now stays for later. */
  draw(suits: (card: T) => boolean): T | undefined {
    if (!this.#left.some(suits)) this.#left.push(...this.#random.shuffled(this.#cards));
    const index = this.#left.findIndex(suits);
    return index < 0 ? undefined : this.#left.splice(index, 1)[0];
  }
}
