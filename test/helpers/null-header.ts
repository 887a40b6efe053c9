import type { IHeaders } from 'kafkajs';

/**
 * `headers` and one without a value (null, which is not the empty string). kafkajs measures every value before it looks whether there is one, and fails
 * at null: this one is empty when it is measured, and null from then on.
 */
export function withNullHeader(name: string, headers: IHeaders = {}): IHeaders {
  return { ...headers, [name]: new NullOnceMeasured(name) };
}

/** kafkajs maps a list of values to `{ key, value }`; it does so anew whenever it encodes. */
class NullOnceMeasured extends Array<string> {
  readonly #name: string;

  constructor(name: string) {
    super('');
    this.#name = name;
  }

  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  override map<U>(): U[] {
    let reads = 0;
    const header = {
      key: this.#name,
      get value() {
        return reads++ === 0 ? '' : null;
      },
    };
    return [header as U];
  }
}
