/** How the text of a property becomes the text that the gateway works with. */
export interface ValueType {
  /** What a value has to be, a phrase that follows "must be". */
  readonly allowed: string;
  /** The value in one spelling, or undefined when the text is not one. */
  parse(text: string): string | undefined;
}

export const TEXT: ValueType = { allowed: 'a text', parse: (text) => text };

export const BOOLEAN: ValueType = { allowed: 'true or false', parse: (text) => BOOLEANS.get(text.toLowerCase()) };

/** As librdkafka reads them. */
const BOOLEANS: ReadonlyMap<string, string> = new Map([
  ...['true', 't', '1'].map((text) => [text, 'true'] as const),
  ...['false', 'f', '0'].map((text) => [text, 'false'] as const),
]);

export function integer(min: number, max: number): ValueType {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    parse: (text) => (/^-?\d{1,16}$/.test(text) && Number(text) >= min && Number(text) <= max ? String(Number(text)) : undefined),
  };
}

/** `synonyms`: other spellings of one of the words. */
export function oneOf(words: readonly string[], synonyms: Readonly<Record<string, string>> = {}): ValueType {
  return {
    allowed: `one of ${words.join(', ')}`,
    parse: (text) => {
      const word = text.toLowerCase();
      return words.includes(word) ? word : synonyms[word];
    },
  };
}
