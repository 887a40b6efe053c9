import type { ConfigNode } from '../librdkafka/index.ts';

/** An element of a configuration file as it was written. */
export interface RawNode {
  readonly text: string;
  readonly children: readonly (readonly [name: string, node: RawNode])[];
  /** Of the server's files: `from_env`, `overridable` … */
  readonly attributes: Readonly<Record<string, string>>;
  readonly origin: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Attributes that say where a value is, which only the server can look up. */
const ELSEWHERE = ['from_zk', 'incl', 'encrypted_by'] as const;

/**
 * The element with the values of the environment put in. `problems` gets a sentence for each value that cannot be read. What other files are told with `replace`
 * and `remove` is nothing here, where one file is read: an element to remove is none.
 */
export function resolveNode(raw: RawNode, env: Environment, problems: string[]): ConfigNode {
  const { attributes, origin } = raw;
  for (const name of ELSEWHERE) {
    if (attributes[name] === undefined) continue;
    problems.push(
      `The element from ${origin} has the attribute ${name}, which the gateway does not read: write its value, or take it from the environment with from_env.`,
    );
  }
  const { overridable } = attributes;
  return {
    text: textOf(raw, env, problems),
    children: raw.children
      .filter(([, child]) => child.attributes['remove'] === undefined)
      .map(([name, child]) => [name, resolveNode(child, env, problems)] as const),
    ...(overridable !== undefined && { overridable: !['0', 'false', 'off', 'no'].includes(overridable.toLowerCase()) }),
    origin,
  };
}

function textOf({ text, attributes, origin }: RawNode, env: Environment, problems: string[]): string {
  const variable = attributes['from_env'];
  if (variable === undefined) return text;
  const value = env[variable];
  if (value === undefined) problems.push(`from_env from ${origin}: the environment variable ${variable} is not set.`);
  return value ?? '';
}
