import type { Statement } from './ast.ts';
import { build } from './build.ts';
import { parse, SyntaxError as GrammarSyntaxError } from './parser.generated.ts';
import { Scanner } from './scanner.ts';

export type ParseResult =
  | { readonly ok: true; readonly statement: Statement }
  | {
      readonly ok: false;
      /** Index of the first UTF-16 unit that could not be read. */
      readonly position: number;
      /** Both from 1, the column in UTF-16 units. */
      readonly line: number;
      readonly column: number;
      /** What could have stood there, or what is wrong with the token, e.g. `Single quoted string is not closed`. */
      readonly expected: readonly string[];
    };

/** The part of peggy's error that is used here; the generated parser has no types of its own. */
interface GrammarError {
  readonly location: { readonly start: { readonly offset: number } };
  /** `text` for a word of the grammar, `description` for a named rule. */
  readonly expected: readonly { readonly text?: string; readonly description?: string }[];
}

/**
 * Reads one statement of those the gateway owns (`grammar/kafka-ddl.peggy`). Anything else, several statements and broken text give
 * `ok: false`. Never throws; time and memory are linear in the length of `text`, whatever it nests.
 */
export function parseStatement(text: string): ParseResult {
  const scanner = new Scanner(text);
  try {
    return { ok: true, statement: parse(text, { scanner, build }) as Statement };
  } catch (error) {
    if (!(error instanceof GrammarSyntaxError)) throw error;
    return failure(text, scanner, error as unknown as GrammarError);
  }
}

function failure(text: string, scanner: Scanner, error: GrammarError): ParseResult {
  // A token that cannot be read stops the server, too, wherever the grammar's own attempts ended.
  const problem = scanner.problem;
  const position = problem?.position ?? error.location.start.offset;
  const before = text.slice(0, position);
  return {
    ok: false,
    position,
    line: before.split('\n').length,
    column: position - before.lastIndexOf('\n'),
    expected: problem ? [problem.text] : expectations(error),
  };
}

function expectations(error: GrammarError): string[] {
  const names = error.expected.map((one) => one.text ?? one.description ?? '');
  return [...new Set(names)].filter((name) => name !== '' && name !== 'white space').sort();
}
