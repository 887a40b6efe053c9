import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/index.ts';

/** One file per mistake: what was given, and every sentence the start is refused with. */
interface Mistake {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The text of /etc/sluice.yaml, which `--config` then names. */
  readonly file?: string;
  readonly problems: readonly string[];
}

const FIXTURES = new URL('fixtures/', import.meta.url);

for (const name of readdirSync(FIXTURES)) {
  test(`the start is refused: ${name.replace('.yaml', '').replaceAll('-', ' ')}`, (t) => {
    const mistake = parse(readFileSync(new URL(name, FIXTURES), 'utf8')) as Mistake;
    const argv = [...(mistake.file === undefined ? [] : ['--config', '/etc/sluice.yaml']), ...(mistake.argv ?? [])];
    const result = loadConfig({ argv, env: mistake.env ?? {}, readFile: () => mistake.file ?? readAsNode(argv) });
    t.deepEqual(result, { kind: 'problems', problems: [...mistake.problems] });
  });
}

function readAsNode(argv: readonly string[]): string {
  return readFileSync(argv[argv.indexOf('--config') + 1] ?? '', 'utf8');
}
