/** What the program is asked to do. */
export type Command =
  | { readonly name: 'serve' }
  /** Consents: definitions that nobody signed, or that were signed for another table, are signed as well. */
  | { readonly name: 'rotate-secret-key'; readonly signUnsigned: boolean; readonly signMoved: boolean };

export const ROTATE = 'rotate-secret-key';

/** Flags of `rotate-secret-key` alone, beside the settings. */
export const CONSENTS = {
  signUnsigned: '--sign-unsigned',
  signMoved: '--sign-moved',
} as const;

/** A first word that is no flag names a command; `rest` are the words that give settings. */
export function readCommand(argv: readonly string[]): { readonly command: Command; readonly rest: readonly string[] } {
  if (argv[0] !== ROTATE) return { command: { name: 'serve' }, rest: argv };
  const words = argv.slice(1);
  const consents: readonly string[] = Object.values(CONSENTS);
  const command: Command = {
    name: ROTATE,
    signUnsigned: words.includes(CONSENTS.signUnsigned),
    signMoved: words.includes(CONSENTS.signMoved),
  };
  return { command, rest: words.filter((word) => !consents.includes(word)) };
}
