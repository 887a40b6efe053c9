import { helpText } from './help.ts';
import { CONFIG_FILE, readEnvironment, readFlags, readYaml, type GivenValue, type Source } from './sources.ts';
import { CONFIG_KEYS, SETTINGS, type Config, type ConfigKey, type Setting } from './settings.ts';

export interface ConfigSources {
  /** The words after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Returns a text file's content or throws as `fs.readFileSync` does. */
  readonly readFile: (path: string) => string;
}

export type LoadResult =
  | { readonly kind: 'config'; readonly config: Config }
  /** Every mistake found, one sentence each; secrets are not in them. */
  | { readonly kind: 'problems'; readonly problems: readonly string[] }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' };

/** Reads all settings; flags win over the environment, that over the file, that over the defaults. Never throws. */
export function loadConfig({ argv, env, readFile }: ConfigSources): LoadResult {
  const flags = readFlags(argv);
  if (flags.asksFor === 'help') return { kind: 'help', text: helpText() };
  if (flags.asksFor === 'version') return { kind: 'version' };

  const environment = readEnvironment(env);
  const file = readConfigFile(flags.values.get(CONFIG_FILE) ?? environment.values.get(CONFIG_FILE), readFile);
  const given = new Map([...file.values, ...environment.values, ...flags.values]);
  const checked = checkValues(given);
  const problems = [...flags.problems, ...environment.problems, ...file.problems, ...checked.problems];
  if (problems.length > 0) return { kind: 'problems', problems };

  const config = complete(checked.values);
  const conflicts = findConflicts(config);
  return conflicts.length > 0 ? { kind: 'problems', problems: conflicts } : { kind: 'config', config };
}

function readConfigFile(path: GivenValue | undefined, readFile: (path: string) => string): Source {
  if (path === undefined) return { values: new Map(), problems: [] };
  try {
    return readYaml(path.text, readFile(path.text));
  } catch (error) {
    return { values: new Map(), problems: [`config: the file '${path.text}' from ${path.origin} ${whyUnreadable(error)}.`] };
  }
}

function whyUnreadable(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EISDIR') return 'is a directory, a YAML file is needed';
  if (code === 'EACCES') return 'may not be read by this user';
  return `cannot be read (${code ?? String(error)})`;
}

type Values = Partial<Record<ConfigKey, unknown>>;

function checkValues(given: ReadonlyMap<string, GivenValue>): { values: Values; problems: string[] } {
  const values: Values = {};
  const problems: string[] = [];
  for (const key of CONFIG_KEYS) {
    const setting: Setting<unknown> = SETTINGS[key];
    const { text, origin } = given.get(setting.name) ?? { text: setting.default, origin: 'the default' };
    if (text === undefined) continue;
    values[key] = setting.type.parse(text);
    if (values[key] === undefined)
      problems.push(`${setting.name}: ${shown(setting, text)} from ${origin} must be ${setting.type.allowed}.`);
  }
  return { values, problems };
}

function shown(setting: Setting<unknown>, text: string): string {
  if (setting.isSecret) return '***';
  return `'${setting.type.show?.(text) ?? text}'`;
}

const DEFAULT_NATIVE_PORT = 9000;

/** `values` holds every setting that was given or has a fixed default: the table's types make each what Config says. */
function complete(values: Values): Config {
  const config = values as unknown as Config;
  const upstreamHost = new URL(config.clickhouseUrl).hostname.replace(/^\[(.*)\]$/, '$1');
  return Object.freeze({
    ...config,
    clickhouseNative: values.clickhouseNative === undefined ? { host: upstreamHost, port: DEFAULT_NATIVE_PORT } : config.clickhouseNative,
    secretKey: config.secretKey,
  });
}

/** The rules between settings. */
function findConflicts(config: Config): string[] {
  return [...portsUsedTwice(config), ...upstreamIsGateway(config), ...batchOverBudget(config)];
}

const LISTENING = ['httpPort', 'nativePort', 'adminPort'] as const;

function portsUsedTwice(config: Config): string[] {
  return LISTENING.flatMap((first, index) =>
    LISTENING.slice(index + 1)
      .filter((second) => config[first] !== 0 && config[first] === config[second])
      .map((second) => `${SETTINGS[first].name} and ${SETTINGS[second].name} are both ${config[first]}: each needs a port of its own.`),
  );
}

/** Every request would be forwarded to the gateway itself for ever. */
function upstreamIsGateway(config: Config): string[] {
  const url = new URL(config.clickhouseUrl);
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const isSameHost = url.hostname === config.host || ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  const own = LISTENING.find((key) => config[key] === port);
  if (!isSameHost || own === undefined) return [];
  return [
    `clickhouse_url: '${config.clickhouseUrl}' is the gateway's own ${SETTINGS[own].name}: it must be the ClickHouse server's HTTP address.`,
  ];
}

function batchOverBudget(config: Config): string[] {
  if (config.maxBatchBytes <= config.memoryBudgetBytes) return [];
  return [
    `max_batch_size is ${config.maxBatchBytes} bytes and memory_budget ${config.memoryBudgetBytes}: one batch must fit into the budget.`,
  ];
}
