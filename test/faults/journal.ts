import { appendFileSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Files of what happened: every fault, INSERT and commit, one JSON object a line with its moment. For whoever looks for the cause of a loss. */
export class Journal {
  readonly folder: string;
  readonly #file: number;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.#file = openSync(join(folder, 'journal.jsonl'), 'w');
  }

  /** `what`: `fault`, `insert`, `commit` or so. */
  note(what: string, details: object): void {
    writeSync(this.#file, `${JSON.stringify({ at: new Date().toISOString(), what, ...details })}\n`);
  }

  /** A line for people, printed and noted. */
  say(line: string): void {
    console.log(`${new Date().toISOString().slice(11, 23)} ${line}`);
    this.note('said', { line });
  }

  /** Keeps a text, such as a process's log, in a file of its own. */
  keep(name: string, text: string): void {
    appendFileSync(join(this.folder, name), text);
  }
}
