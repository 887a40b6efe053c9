import { ClickHouseException, clickhouseError } from '../errors.ts';
import { quoteString, type EngineArgument, type Value } from '../sql/index.ts';
import type { Ask } from './ask.ts';
import { convertSetting, literalOf, type Literal, type SettingValue } from './setting-values.ts';
import { ENGINE_SETTINGS, type EngineSettingName } from './settings.ts';

type Accepts = 'literal' | 'constant' | 'constant-or-identifier';

/**
 * The positional arguments of `Kafka(…)` in their order; undefined is the row delimiter, which the server reads over. More than these
 * are ignored. Source: `CHECK_KAFKA_STORAGE_ARGUMENT` in `src/Storages/Kafka/StorageKafkaUtils.cpp`; tried on 26.7.
 */
const ARGUMENTS: readonly (readonly [EngineSettingName, Accepts] | undefined)[] = [
  ['kafka_broker_list', 'literal'],
  ['kafka_topic_list', 'constant'],
  ['kafka_group_name', 'constant-or-identifier'],
  ['kafka_format', 'constant-or-identifier'],
  undefined,
  ['kafka_schema', 'constant-or-identifier'],
  ['kafka_num_consumers', 'literal'],
  ['kafka_max_block_size', 'literal'],
  ['kafka_skip_broken_messages', 'literal'],
  ['kafka_commit_every_batch', 'literal'],
  ['kafka_client_id', 'constant-or-identifier'],
  ['kafka_poll_timeout_ms', 'literal'],
  ['kafka_flush_interval_ms', 'literal'],
  ['kafka_thread_per_consumer', 'literal'],
  ['kafka_handle_error_mode', 'literal'],
  ['kafka_commit_on_select', 'literal'],
  ['kafka_max_rows_per_message', 'literal'],
];
const REQUIRED_ARGUMENTS = 4;
/** Without these a table can do nothing. */
export const REQUIRED_SETTINGS = ARGUMENTS.slice(0, REQUIRED_ARGUMENTS).flatMap((argument) =>
  argument === undefined ? [] : [argument[0]],
);

export interface ReadArguments {
  readonly values: ReadonlyMap<EngineSettingName, SettingValue>;
  /** Every argument as SHOW CREATE TABLE will have it: what had to be evaluated is a literal now. */
  readonly texts: readonly string[];
}

/**
 * Reads the arguments of `Kafka(…)` in order. `inSettings` are the engine settings the SETTINGS clause gives, `configured` those that the gateway's
 * configuration gives when the statement does not. Throws, as the server does, for the first argument that is missing, given twice, or not what it must be.
 */
export async function readArguments(
  args: readonly EngineArgument[],
  inSettings: ReadonlySet<string>,
  configured: ReadonlySet<string>,
  ask: Ask,
): Promise<ReadArguments> {
  const values = new Map<EngineSettingName, SettingValue>();
  const texts = args.map(({ value }) => value.text);
  for (const [index, argument] of ARGUMENTS.entries()) {
    if (argument === undefined) continue;
    const [name, accepts] = argument;
    const given = args[index];
    if (given === undefined) {
      if (!configured.has(name)) requireSetting(name, index, inSettings);
      continue;
    }
    if (inSettings.has(name)) throw givenTwice(index, name);
    const literal = await readArgument(name, accepts, asExpression(given), ask);
    if (accepts !== 'literal' && literal.type === 'String') texts[index] = quoteString(literal.value);
    values.set(name, convertArgument(name, literal));
  }
  return { values, texts };
}

function requireSetting(name: string, index: number, inSettings: ReadonlySet<string>): void {
  if (index >= REQUIRED_ARGUMENTS || inSettings.has(name)) return;
  throw clickhouseError('NUMBER_OF_ARGUMENTS_DOESNT_MATCH', `Required parameter '${name}' for storage Kafka not specified`);
}

function givenTwice(index: number, name: string): Error {
  const text = `The argument №${index + 1} of storage Kafka and the parameter '${name}' in SETTINGS cannot be specified at the same time`;
  return clickhouseError('BAD_ARGUMENTS', text);
}

/** `key = value` outside of a named collection is a comparison. */
function asExpression({ name, value }: EngineArgument): Value {
  return name === undefined ? value : { kind: 'expression', text: `${name} = ${value.text}`, span: value.span };
}

async function readArgument(name: string, accepts: Accepts, value: Value, ask: Ask): Promise<Literal> {
  if (accepts === 'constant-or-identifier' && value.kind === 'identifier') return { type: 'String', value: value.name };
  const literal = literalOf(value);
  if (literal !== undefined) return literal;
  if (accepts === 'literal') throw await notALiteral(name, value, ask);
  return evaluate(value.text, ask);
}

function convertArgument(name: EngineSettingName, literal: Literal): SettingValue {
  const { type } = ENGINE_SETTINGS[name];
  const isText = type === 'string' || type === 'handle-error-mode';
  const needed = isText ? 'String' : 'UInt64';
  const isFlag = type === 'bool' && literal.type === 'Bool';
  if (literal.type !== needed && !isFlag) {
    throw clickhouseError('BAD_ARGUMENTS', `Argument '${name}' must be a literal with type ${needed}, got ${literal.type}`);
  }
  if (type === 'bool' && literal.type === 'UInt64') return literal.value !== 0n;
  return convertSetting(type, literal);
}

async function notALiteral(name: string, { text }: Value, ask: Ask): Promise<Error> {
  const [[printed = text] = []] = await ask(`SELECT substring(formatQuerySingleLine(${quoteString(`SELECT ${text}`)}), 8)`);
  const node = await nodeOf(text, ask);
  return clickhouseError('BAD_ARGUMENTS', `Argument '${name}' must be a literal, get ${node} (value: ${printed})`);
}

/** The server's own name of the expression's outermost node, e.g. `Function_concat`. */
async function nodeOf(text: string, ask: Ask): Promise<string> {
  const lines = (await ask(`SELECT * FROM (EXPLAIN AST SELECT ${text})`)).map(([line = '']) => line);
  const node = lines.find((line) => line.startsWith('    ')) ?? '';
  return node
    .trim()
    .replace(/ \(.*$/, '')
    .replaceAll(' ', '_');
}

/** Lets the server compute a constant expression. Its exceptions name the expression, not the query around it. */
export async function evaluate(text: string, ask: Ask): Promise<Literal> {
  const [[isConstant, type = '', value = ''] = []] = await asScopeOf(
    text,
    ask(`SELECT isConstant(x), toTypeName(x), toString(x) FROM (SELECT ${text} AS x)`),
  );
  if (isConstant !== '1') throw notConstant(text);
  if (/^(?:LowCardinality\(|Nullable\()?(?:String|FixedString\(\d+\))\)?$/.test(type)) return { type: 'String', value };
  if (type === 'Bool') return { type: 'Bool', value: value === 'true' };
  if (type.startsWith('UInt')) return { type: 'UInt64', value: BigInt(value) };
  if (type.startsWith('Int')) return { type: 'Int64', value: BigInt(value) };
  if (type.startsWith('Nullable(Nothing')) return { type: 'Null' };
  return { type: 'Float64', value: Number(value) };
}

async function asScopeOf<T>(text: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ClickHouseException)) throw error;
    const told = error.text.replace(/( [iI]n scope ).*$/s, (_, scope: string) => `${scope}${text}`);
    throw new ClickHouseException(error.code, error.exceptionName, told, { cause: error });
  }
}

function notConstant(text: string): Error {
  const where = 'Element of set in IN, VALUES, or LIMIT, or aggregate function parameter, or a table function argument';
  return clickhouseError('BAD_ARGUMENTS', `${where} is not a constant expression (result column not found): ${text}`);
}
