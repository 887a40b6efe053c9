/** Literals as the server's formatter prints them: `writeAnyEscapedString` and `backQuoteIfNeed` of `src/IO/WriteHelpers.h` (26.7). */
const ESCAPED: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\0': '\\0',
  '\\': '\\\\',
};
const NAMES_TO_QUOTE = new Set(['distinct', 'all', 'table', 'select', 'from', 'null']);

function escape(text: string, quote: string): string {
  return text.replace(quote === "'" ? /[\b\f\n\r\t\0\\']/g : /[\b\f\n\r\t\0\\`]/g, (character) => ESCAPED[character] ?? `\\${character}`);
}

/** `it's` → `'it\'s'`. */
export function quoteString(text: string): string {
  return `'${escape(text, "'")}'`;
}

/** Always in back-ticks. */
export function quoteIdentifier(name: string): string {
  return `\`${escape(name, '`')}\``;
}

/** In back-ticks only where the server's formatter uses them. */
export function quoteIdentifierIfNeeded(name: string): string {
  const isBare = /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) && !NAMES_TO_QUOTE.has(name.toLowerCase());
  return isBare ? name : quoteIdentifier(name);
}
