import { ClickHouseException, clickhouseError } from '../errors.ts';
import { quoteString } from '../sql/index.ts';
import type { Ask } from './ask.ts';
import type { EngineSettingName } from './settings.ts';

/** Settings whose text may hold `{macro}`, in the order the engine expands them (`StorageKafka`'s constructor), then our own. */
export const SETTINGS_WITH_MACROS: readonly EngineSettingName[] = [
  'kafka_topic_list',
  'kafka_broker_list',
  'kafka_group_name',
  'kafka_client_id',
  'kafka_format',
  'kafka_schema',
  'kafka_dead_letter_topic',
];

/** Text of a macro by name, undefined when there is none. */
export type FindMacro = (name: string) => Promise<string | undefined>;

const MAX_DEPTH = 10;

/**
 * `text` with `{name}` replaced, and again in what came out, as the server's `Macros::expand` does. Throws the server's exceptions for
 * an unknown macro, a missing `}` and macros that never end.
 */
export async function expandMacros(text: string, findMacro: FindMacro, depth = 0): Promise<string> {
  if (!text.includes('{')) return text;
  if (depth >= MAX_DEPTH) throw clickhouseError('SYNTAX_ERROR', 'Too deep recursion while expanding macros');
  let expanded = '';
  let position = 0;
  for (let open = text.indexOf('{'); open >= 0; open = text.indexOf('{', position)) {
    const close = text.indexOf('}', open);
    if (close < 0) throw clickhouseError('SYNTAX_ERROR', `Unbalanced { and } in string with macros: '${text}'`);
    const name = text.slice(open + 1, close);
    const value = await findMacro(name);
    if (value === undefined) throw unknownMacro(name, text, open + 1);
    expanded += text.slice(position, open) + value;
    position = close + 1;
  }
  return expandMacros(expanded + text.slice(position), findMacro, depth + 1);
}

function unknownMacro(name: string, text: string, position: number): Error {
  const place = `'${text}' at '${Buffer.byteLength(text.slice(0, position))}'`;
  return clickhouseError(
    'NO_ELEMENTS_IN_CONFIG',
    `No macro '${name}' in config while processing substitutions in ${place} or macro is not supported here`,
  );
}

/** `{database}`, `{table}` and `{uuid}` of the table, then the server's own macros, asked once each. */
export function macrosOf(table: { readonly database: string; readonly table: string; readonly uuid?: string }, ask: Ask): FindMacro {
  const own: Readonly<Record<string, string>> = { database: table.database, table: table.table, ...(table.uuid && { uuid: table.uuid }) };
  const asked = new Map<string, Promise<string | undefined>>();
  return async (name) => {
    if (Object.hasOwn(own, name)) return own[name];
    const answer = asked.get(name) ?? serverMacro(name, ask);
    asked.set(name, answer);
    return answer;
  };
}

async function serverMacro(name: string, ask: Ask): Promise<string | undefined> {
  try {
    const [row] = await ask(`SELECT getMacro(${quoteString(name)})`);
    return row?.[0];
  } catch (error) {
    if (error instanceof ClickHouseException && error.exceptionName === 'NO_ELEMENTS_IN_CONFIG') return undefined;
    throw error;
  }
}
