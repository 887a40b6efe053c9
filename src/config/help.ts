import { CONSENTS, ROTATE } from './command.ts';
import { CONFIG_FILE } from './sources.ts';
import { CONFIG_KEYS, environmentVariableOf, flagOf, GROUPS, SECTIONS, SETTINGS, type Section, type Setting } from './settings.ts';

const ROWS: readonly Setting<unknown>[] = CONFIG_KEYS.map((key) => SETTINGS[key]);
const SECTION_ROWS = Object.values(SECTIONS);

/** What `sluice --help` prints. */
export function helpText(): string {
  const usage = `Usage: sluice [flags]
       sluice rotate-secret-key [--sign-unsigned] [--sign-moved] [flags]

A gateway in front of ClickHouse: clients talk to it as if it were ClickHouse, and it runs their ENGINE = Kafka tables itself.
Every setting can be a flag, an environment variable or a line of a YAML file (http_port: 8124); the first of these counts.
Durations are written 500ms, 7.5s, 2m (a plain number is milliseconds), sizes 64MiB (a plain number is bytes).`;
  const groups = GROUPS.map((group) =>
    [`${group}:`, ...inGroup(ROWS, group).map(settingHelp), ...inGroup(SECTION_ROWS, group).map(sectionHelp)].join('\n'),
  );
  const commands = [
    'Commands:',
    `  ${ROTATE}\n      Seal and sign the definitions of all Kafka tables with secret_key; those that old_secret_key signed are read by it. Then end.`,
    `  ${CONSENTS.signUnsigned}\n      With it: also those that nobody signed. They are shown first; without this flag they are only shown.`,
    `  ${CONSENTS.signMoved}\n      With it: also those that were signed for another table (restored from a backup). They are shown first.`,
  ].join('\n');
  const other = [
    'Other:',
    entry(`${flagOf(CONFIG_FILE)} FILE`, environmentVariableOf(CONFIG_FILE), 'YAML file with settings. Default: none'),
    '  -h, --help\n      Print this text.',
    '  -v, --version\n      Print the version.',
  ].join('\n');
  return `${[usage, ...groups, commands, other].join('\n\n')}\n`;
}

function inGroup<T extends Pick<Section, 'group'>>(rows: readonly T[], group: Section['group']): T[] {
  return rows.filter((row) => row.group === group);
}

function sectionHelp({ name, sentence }: Section): string {
  return entry(`${name}:`, 'a section of the file', sentence);
}

function settingHelp(row: Setting<unknown>): string {
  return entry(
    `${flagOf(row.name)} ${row.type.placeholder}`,
    environmentVariableOf(row.name),
    `${row.sentence} Default: ${defaultOf(row)}`,
  );
}

function entry(flag: string, variable: string, sentence: string): string {
  return `  ${flag.padEnd(34)}${variable}\n      ${sentence}`;
}

function defaultOf(row: Setting<unknown>): string {
  return row.default === '' ? 'empty' : (row.default ?? row.defaultSentence ?? 'none');
}

/** The README's table of settings, in Markdown. */
export function settingsTable(): string {
  const cells = ROWS.map((row) => [
    `\`${row.name}\``,
    `\`${flagOf(row.name)}\``,
    `\`${environmentVariableOf(row.name)}\``,
    defaultOf(row),
    row.sentence,
  ]);
  const sections = SECTION_ROWS.map(({ name, sentence }) => [`\`${name}\``, 'a section', 'of the file', 'none', sentence]);
  const lines = [['In the file', 'Flag', 'Environment', 'Default', 'Meaning'], ['---', '---', '---', '---', '---'], ...cells, ...sections];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}
