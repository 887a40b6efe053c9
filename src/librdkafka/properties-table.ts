import { ALIASES, MEANS_NOTHING, REFUSED, WORKS } from './properties.ts';

/** The README's table of librdkafka's properties, in Markdown. */
export function propertiesTable(): string {
  const rows = [
    [Object.keys(WORKS), 'followed'] as const,
    ...byReason(REFUSED).map(([names, why]) => [names, `refused: ${why}`] as const),
    ...byReason(MEANS_NOTHING).map(([names, instead]) => [names, `nothing: ${instead}`] as const),
  ];
  const lines = rows.map(([names, meaning]) => `| ${names.map(withAliases).join(' ')} | ${meaning} |`);
  return ['| Property | What it does here |', '| --- | --- |', ...lines].join('\n');
}

function byReason(table: Readonly<Record<string, string>>): [string[], string][] {
  const reasons = new Set(Object.values(table));
  return [...reasons].map((reason) => [Object.keys(table).filter((name) => table[name] === reason), reason]);
}

function withAliases(name: string): string {
  const others = Object.keys(ALIASES).filter((alias) => ALIASES[alias] === name);
  return [`\`${name}\``, ...others.map((alias) => `(\`${alias}\`)`)].join(' ');
}
