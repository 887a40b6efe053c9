import { addressOfUrl } from '../url-address.ts';
import { helpText } from './help.ts';
import { readKafkaSources } from './kafka-sources.ts';
import { CONFIG_FILE, readEnvironment, readFlags, readYaml, type FileSource, type GivenValue } from './sources.ts';
import { CONFIG_KEYS, SETTINGS, type Config, type ConfigKey, type Setting, type Settings } from './settings.ts';
import { readTlsFiles } from './tls-files.ts';
import { whyUnreadable } from './unreadable.ts';

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
  const kafka = readKafkaSources(file.sections, given.get(SETTINGS.kafkaConfigFile.name)?.text, { env, readFile });
  const problems = [...flags.problems, ...environment.problems, ...file.problems, ...checked.problems, ...kafka.problems];
  if (problems.length > 0) return { kind: 'problems', problems };

  const settings = complete(checked.values);
  const tls = readTlsFiles(settings, readFile);
  const conflicts = [...findConflicts(settings), ...(tls.ok ? [] : tls.problems)];
  if (conflicts.length > 0 || !tls.ok) return { kind: 'problems', problems: conflicts };
  return { kind: 'config', config: Object.freeze({ ...settings, ...tls.files, ...kafka.sources }) };
}

function readConfigFile(path: GivenValue | undefined, readFile: (path: string) => string): FileSource {
  if (path === undefined) return { values: new Map(), problems: [], sections: new Map() };
  try {
    return readYaml(path.text, readFile(path.text));
  } catch (error) {
    return {
      values: new Map(),
      sections: new Map(),
      problems: [`config: the file '${path.text}' from ${path.origin} ${whyUnreadable(error)}: give the path of a YAML file.`],
    };
  }
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
const DEFAULT_SECURE_NATIVE_PORT = 9440;

/** `values` holds every setting that was given or has a fixed default: the table's types make each what Settings says. */
function complete(values: Values): Settings {
  const settings = values as unknown as Settings;
  const url = new URL(settings.clickhouseUrl);
  const isSecure = values.clickhouseNativeSecure === undefined ? url.protocol === 'https:' : settings.clickhouseNativeSecure;
  const port = isSecure ? DEFAULT_SECURE_NATIVE_PORT : DEFAULT_NATIVE_PORT;
  return {
    ...settings,
    tlsCertificate: settings.tlsCertificate,
    tlsKey: settings.tlsKey,
    clickhouseNative: values.clickhouseNative === undefined ? { host: addressOfUrl(url).host, port } : settings.clickhouseNative,
    clickhouseNativeSecure: isSecure,
    clickhouseCa: settings.clickhouseCa,
    secretKey: settings.secretKey,
    oldSecretKey: settings.oldSecretKey,
    allowedBrokers: settings.allowedBrokers,
    allowedHttpHosts: settings.allowedHttpHosts,
    kafkaConfigFile: settings.kafkaConfigFile,
  };
}

/** The rules between settings. */
function findConflicts(settings: Settings): string[] {
  return [...portsUsedTwice(settings), ...upstreamIsGateway(settings), ...batchOverBudget(settings), ...oldKeyAlone(settings)];
}

const LISTENING = ['httpPort', 'nativePort', 'httpsPort', 'nativePortSecure', 'adminPort'] as const;

function portsUsedTwice(settings: Settings): string[] {
  const isTaken = (key: (typeof LISTENING)[number]): boolean => settings[key] !== 0 && settings[key] !== 'off';
  return LISTENING.flatMap((first, index) =>
    LISTENING.slice(index + 1)
      .filter((second) => isTaken(first) && settings[first] === settings[second])
      .map((second) => `${SETTINGS[first].name} and ${SETTINGS[second].name} are both ${settings[first]}: each needs a port of its own.`),
  );
}

/** Every request would be forwarded to the gateway itself for ever. */
function upstreamIsGateway(settings: Settings): string[] {
  const { clickhouseUrl, clickhouseNative } = settings;
  const http = addressOfUrl(new URL(clickhouseUrl));
  return [
    ...ownPort(settings, http.host, http.port).map(
      (own) => `clickhouse_url: '${clickhouseUrl}' is the gateway's own ${own}: it must be the ClickHouse server's HTTP address.`,
    ),
    ...ownPort(settings, clickhouseNative.host, clickhouseNative.port).map(
      (own) =>
        `clickhouse_native: '${clickhouseNative.host}:${clickhouseNative.port}' is the gateway's own ${own}: it must be the ClickHouse server's native address.`,
    ),
  ];
}

/** The name of the gateway's own setting for this address, if it is one of its own. */
function ownPort(settings: Settings, host: string, port: number): string[] {
  const isSameHost = host === settings.host || ['localhost', '127.0.0.1', '::1'].includes(host);
  const own = LISTENING.find((key) => settings[key] === port);
  return isSameHost && own !== undefined ? [SETTINGS[own].name] : [];
}

function batchOverBudget(settings: Settings): string[] {
  if (settings.maxBatchBytes <= settings.memoryBudgetBytes) return [];
  return [
    `max_batch_size is ${settings.maxBatchBytes} bytes and memory_budget ${settings.memoryBudgetBytes}: one batch must fit into the budget.`,
  ];
}

function oldKeyAlone({ secretKey, oldSecretKey }: Settings): string[] {
  if (oldSecretKey === undefined || secretKey !== undefined) return [];
  return ['old_secret_key is set and secret_key is not: the new key belongs into secret_key, nothing is signed with the old one.'];
}
