import { parseArgs } from 'node:util';
import { didYouMean } from '../suggestion.ts';
import type { RawNode } from './raw-node.ts';
import { CONFIG_KEYS, environmentVariableOf, flagOf, SECTIONS, SETTINGS } from './settings.ts';
import { parseYaml } from './yaml-node.ts';

/** A setting's text and where it stands, in words that follow "from". */
export interface GivenValue {
  readonly text: string;
  readonly origin: string;
}

/** What one source gives, by setting name; `problems` are sentences for the person who starts the gateway. */
export interface Source {
  readonly values: ReadonlyMap<string, GivenValue>;
  readonly problems: readonly string[];
}

/** The one name that is not a setting itself: the path of the YAML file. Not allowed in the file. */
export const CONFIG_FILE = 'config';

const SETTING_NAMES: readonly string[] = CONFIG_KEYS.map((key) => SETTINGS[key].name);
const SECTION_NAMES: readonly string[] = Object.values(SECTIONS).map(({ name }) => name);
const NAMES = [...SETTING_NAMES, CONFIG_FILE];
const ANSWERED_AT_ONCE = ['help', 'version'] as const;

export interface Flags extends Source {
  /** Set when the command line asks for an answer instead of a start. */
  readonly asksFor: (typeof ANSWERED_AT_ONCE)[number] | undefined;
}

/** `--http-port 8124`, `--http-port=8124`; given twice, the last one counts. */
export function readFlags(argv: readonly string[]): Flags {
  const names = new Map(NAMES.map((name) => [flagOf(name), name]));
  const values = new Map<string, GivenValue>();
  const problems: string[] = [];
  let asksFor: Flags['asksFor'];
  let unknownFlagAt = NaN;
  for (const token of tokenize(argv)) {
    if (token.kind === 'positional') {
      // The word after an unknown flag is most likely its value, perhaps a password: not to be shown.
      if (token.index !== unknownFlagAt + 1) problems.push(`'${token.value}' is not a flag: settings are given as --name value.`);
    } else if (token.kind === 'option') {
      const name = names.get(token.rawName);
      const answer = ANSWERED_AT_ONCE.find((word) => word === token.name);
      if (answer) asksFor ??= answer;
      else if (name === undefined) {
        problems.push(`Unknown flag ${token.rawName}: ${didYouMean(token.rawName, [...names.keys()])}`);
        unknownFlagAt = token.index;
      } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))) {
        problems.push(`The flag ${token.rawName} needs a value, as in ${token.rawName}=VALUE.`);
      } else values.set(name, { text: token.value, origin: `the flag ${token.rawName}` });
    }
  }
  return { values, problems, asksFor };
}

/** Not strict: `parseArgs` would stop at the first mistake, and all of them are to be told at once. */
function tokenize(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = {
    ...Object.fromEntries(NAMES.map((name) => [flagOf(name).slice(2), text])),
    help: { type: 'boolean', short: 'h' } as const,
    version: { type: 'boolean', short: 'v' } as const,
  };
  return parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

/**
 * What Kubernetes puts into every pod beside a service named `sluice` (`SLUICE_SERVICE_HOST`, `SLUICE_PORT_8124_TCP_ADDR` …):
 * nobody's mistake, so not a problem.
 */
const KUBERNETES_VARIABLE = /^SLUICE_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$/;

/** Every `SLUICE_…` variable; an empty one counts as not set. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Source {
  const names = new Map(NAMES.map((name) => [environmentVariableOf(name), name]));
  const values = new Map<string, GivenValue>();
  const problems: string[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('SLUICE_') || !text || KUBERNETES_VARIABLE.test(variable)) continue;
    const name = names.get(variable);
    if (name === undefined) problems.push(`Unknown environment variable ${variable}: ${didYouMean(variable, [...names.keys()])}`);
    else values.set(name, { text, origin: `the environment variable ${variable}` });
  }
  return { values, problems };
}

/** What a YAML file gives. */
export interface FileSource extends Source {
  /** Its sections (`SECTIONS`) by name. */
  readonly sections: ReadonlyMap<string, RawNode>;
}

/** The top-level keys of the YAML file `path` with its text `yaml`; a key without a value counts as not set. */
export function readYaml(path: string, yaml: string): FileSource {
  const { children, problems: wrong } = parseYaml(path, yaml);
  const values = new Map<string, GivenValue>();
  const sections = new Map<string, RawNode>();
  const problems = [...wrong];
  for (const { name, origin, text, node } of children) {
    const isSection = SECTION_NAMES.includes(name);
    if (!isSection && !SETTING_NAMES.includes(name))
      problems.push(`Unknown setting '${name}' in ${origin}: ${didYouMean(name, [...SETTING_NAMES, ...SECTION_NAMES])}`);
    else if (text === null) continue;
    else if (isSection && text !== undefined)
      problems.push(`${name} in ${origin} must be a section: names with values, one a line, below it.`);
    else if (isSection) sections.set(name, node());
    else if (text === undefined) problems.push(`${name} in ${origin} must be one plain value.`);
    else values.set(name, { text, origin });
  }
  return { values, problems, sections };
}
