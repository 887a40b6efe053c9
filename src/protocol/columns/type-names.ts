import { ProtocolError } from '../reader.ts';

/** A type's name taken apart: `Map(String, Array(UInt8))` is `Map` with the two texts between its commas. */
export interface TypeName {
  readonly name: string;
  readonly parameters: readonly string[];
}

/** Splits a type's name as the server spells it; quotes, back-ticks and nested parentheses are respected. */
export function splitTypeName(text: string): TypeName {
  const open = text.indexOf('(');
  if (open === -1) return { name: text, parameters: [] };
  if (!text.endsWith(')')) throw new ProtocolError(`the type name ${text} does not end with a parenthesis`);
  return { name: text.slice(0, open), parameters: splitParameters(text.slice(open + 1, -1)) };
}

function splitParameters(text: string): string[] {
  const parameters: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i] ?? '';
    if (character === "'" || character === '`' || character === '"') i = endOfQuoted(text, i, character);
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (character === ',' && depth === 0) {
      parameters.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  const last = text.slice(start).trim();
  if (last !== '' || parameters.length > 0) parameters.push(last);
  return parameters;
}

/** Where the quoted part that begins at `start` ends: on its closing quote. */
function endOfQuoted(text: string, start: number, quote: string): number {
  for (let i = start + 1; i < text.length; i += 1) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === quote) return i;
  }
  return text.length;
}

/** The type in an element of `Tuple` or `Nested`, which may have a name in front: `` `a b` String ``, `x Array(UInt8)`, `String`. */
export function withoutElementName(element: string): string {
  const first = element[0] ?? '';
  if (first === '`' || first === '"') return element.slice(endOfQuoted(element, 0, first) + 1).trim();
  const word = /^[A-Za-z_][A-Za-z0-9_.]*\s+(?=\S)/.exec(element);
  return word === null ? element : element.slice(word[0].length);
}
