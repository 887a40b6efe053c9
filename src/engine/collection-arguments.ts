import { ClickHouseException, clickhouseError } from '../errors.ts';
import { isSecretProperty, type NamedCollection } from '../librdkafka/index.ts';
import { quoteString, type CreateTable, type EngineArgument, type Value } from '../sql/index.ts';
import { evaluate } from './arguments.ts';
import type { Ask } from './ask.ts';
import { knownSettings, type Sources } from './named-collection.ts';
import { isTrue, querySetting, settingText } from './read-settings.ts';
import { maskSecret, mayBeSecret, mayHoldSecrets } from './secrets.ts';
import { literalOf, type Literal } from './setting-values.ts';
import { isEngineSetting, isFormatSetting } from './settings.ts';

const OVERRIDE_BY_DEFAULT = 'allow_named_collection_override_by_default';

/** The name of the collection, when the arguments of `Kafka(…)` begin with one. */
export function collectionName(args: readonly EngineArgument[]): string | undefined {
  const [first] = args;
  return first?.name === undefined && first?.value.kind === 'identifier' ? first.value.name : undefined;
}

export interface CollectionArguments {
  readonly collection: NamedCollection;
  /** Settings that the arguments give in place of the collection's. */
  readonly overrides: Readonly<Record<string, string>>;
  /** As SHOW CREATE TABLE will have them, secrets hidden. */
  readonly texts: readonly string[];
}

/**
 * Reads `Kafka(name, key = value, …)`. Whether the client may use the collection, whether there is one, and whether it lets its values be replaced, is the
 * server's to say; of collections that only the gateway has, the gateway's in the same words.
 */
export async function readCollectionArguments(create: CreateTable, ask: Ask, { findCollection }: Sources): Promise<CollectionArguments> {
  const args = create.engine?.args ?? [];
  const name = collectionName(args) ?? '';
  const overridden = args.slice(1);
  requireReadableSecrets(overridden);
  const isServers = await checkByServer(create, args, ask);
  const found = await findCollection(name);
  if (found === undefined && !isServers) throw missing(name);
  if (found?.ok !== true) {
    const reason = found?.reason ?? 'the service account of the gateway may not see it';
    throw clickhouseError('SUPPORT_IS_DISABLED', `The named collection \`${name}\` cannot be used: ${reason}`);
  }
  if (!isServers || found.isGateways === true) await checkByGateway(create, found.collection, overridden, ask);
  const texts = [args[0]?.value.text ?? name, ...overridden.map(argumentText)];
  return { collection: found.collection, overrides: knownSettings(await valuesOf(overridden, ask)), texts };
}

/** A secret is hidden where it stands as a text behind the name of a setting. Throws for arguments in which it could stand otherwise. */
function requireReadableSecrets(overridden: readonly EngineArgument[]): void {
  for (const { name, value } of overridden) {
    if (name === undefined) {
      if (!mayHoldSecrets(value.text)) continue;
      throw clickhouseError('BAD_ARGUMENTS', 'Arguments behind a named collection must be written key = value');
    }
    const holdsSecret = mayBeSecret(name) || isSecretProperty(name.replace(/^kafka\./, ''));
    if (!holdsSecret || (value.kind === 'string' && (isEngineSetting(name) || isFormatSetting(name)))) continue;
    const text = `'${name}' must be a setting of the table and have a text in quotes as its value, since that may be a secret`;
    throw clickhouseError('BAD_ARGUMENTS', text);
  }
}

function missing(name: string): Error {
  return clickhouseError('NAMED_COLLECTION_DOESNT_EXIST', `There is no named collection \`${name}\``);
}

/**
 * Whether the server has the collection. `fuzzJSON` takes named collections as the engine does, asks for the same grant, and for no other; what follows, its own
 * judgement on the keys, comes when all of that is good. Throws what the server says of the rest.
 */
async function checkByServer(create: CreateTable, args: readonly EngineArgument[], ask: Ask): Promise<boolean> {
  const written = create.settings.flatMap(({ assignments }) => assignments).findLast(({ name }) => name === OVERRIDE_BY_DEFAULT);
  const settings = written === undefined ? '' : ` SETTINGS ${settingText(written)}`;
  try {
    await ask(`DESCRIBE TABLE fuzzJSON(${args.map(argumentText).join(', ')})${settings}`);
  } catch (error) {
    if (!(error instanceof ClickHouseException)) throw error;
    if (error.exceptionName === 'NAMED_COLLECTION_DOESNT_EXIST') return false;
    if (!/^(?:Unexpected key|Required key|Failed to get key value) /.test(error.text)) throw error;
  }
  return true;
}

async function checkByGateway(
  create: CreateTable,
  { values, overridable }: NamedCollection,
  overridden: readonly EngineArgument[],
  ask: Ask,
): Promise<void> {
  for (const { name, value } of overridden) {
    if (name === undefined && value.kind !== 'expression')
      throw clickhouseError('BAD_ARGUMENTS', 'Expected key-value argument or function');
    if (name === undefined) continue;
    const isAllowed = Object.hasOwn(values, name) ? overridable[name] : undefined;
    if (isAllowed ?? isTrue(await querySetting(create, OVERRIDE_BY_DEFAULT, ask))) continue;
    throw clickhouseError('BAD_ARGUMENTS', `Override not allowed for '${name}'`);
  }
}

/** An argument as it was written, a secret in it hidden. */
function argumentText({ name, value }: EngineArgument): string {
  if (name === undefined) return value.text;
  return `${name} = ${value.kind === 'string' ? quoteString(maskSecret(name, value.value)) : value.text}`;
}

async function valuesOf(overridden: readonly EngineArgument[], ask: Ask): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const { name, value } of overridden) if (name !== undefined) values[name] = fieldText(await literalIn(value, ask));
  return values;
}

async function literalIn(value: Value, ask: Ask): Promise<Literal> {
  if (value.kind === 'identifier') return { type: 'String', value: value.name };
  return literalOf(value) ?? evaluate(value.text, ask);
}

/** A collection holds text. */
function fieldText(literal: Literal): string {
  return literal.type === 'Null' ? 'NULL' : String(literal.value);
}
