import { isLeaf, type ConfigNode } from './node.ts';
import { EMPTY_SECTION, readSection, type KafkaSection, type MeaninglessProperty } from './section.ts';

/** A named collection: settings of tables under one name. */
export interface NamedCollection {
  readonly name: string;
  /** By key, as text; the `kafka` section is not among them. */
  readonly values: Readonly<Record<string, string>>;
  /** In place of the global section, for tables of this collection; absent: the global one holds. */
  readonly kafka?: KafkaSection;
  /** Keys that say whether statements may give another value; what the others allow is the server's `allow_named_collection_override_by_default`. */
  readonly overridable: Readonly<Record<string, boolean>>;
}

export interface ReadCollection {
  readonly collection: NamedCollection;
  readonly meaningless: readonly MeaninglessProperty[];
  readonly problems: readonly string[];
}

const SECTION = 'kafka';

/** Whether a collection is about Kafka: files hold those of other engines as well. */
export function isAboutKafka({ children }: { readonly children: readonly (readonly [name: string, node: unknown])[] }): boolean {
  return children.some(([key]) => key === SECTION || key.startsWith('kafka_'));
}

/** A collection as a configuration file has it. */
export function readCollection(name: string, { children }: ConfigNode): ReadCollection {
  const values: Record<string, string> = {};
  const overridable: Record<string, boolean> = {};
  for (const [key, child] of children) {
    if (key === SECTION || !isLeaf(child)) continue;
    values[key] = child.text;
    if (child.overridable !== undefined) overridable[key] = child.overridable;
  }
  const node = children.find(([key]) => key === SECTION)?.[1];
  const read = node === undefined ? { section: EMPTY_SECTION, meaningless: [], problems: [] } : readSection(node);
  return {
    collection: { name, values, overridable, ...(node !== undefined && { kafka: read.section }) },
    meaningless: read.meaningless,
    problems: read.problems,
  };
}

const NESTED = /^(consumer|producer|kafka_[^.]+)\.(.+)$/s;

/** A collection as `system.named_collections` has it: the keys of a section have its path in front of them (`kafka.consumer.session_timeout_ms`). */
export function collectionOfServer(name: string, entries: Readonly<Record<string, string>>): ReadCollection {
  const origin = `the named collection ${name}`;
  const leaf = (text: string): ConfigNode => ({ text, children: [], origin });
  const prefix = `${SECTION}.`;
  const plain = Object.entries(entries).filter(([key]) => !key.startsWith(prefix));
  const inSection = Object.entries(entries).flatMap(([key, text]) =>
    key.startsWith(prefix) ? [[key.slice(prefix.length), text] as const] : [],
  );
  const children: [string, ConfigNode][] = plain.map(([key, text]) => [key, leaf(text)]);
  if (inSection.length > 0) children.push([SECTION, nodeOf(inSection, origin, leaf)]);
  return readCollection(name, { text: '', children, origin });
}

function nodeOf(entries: readonly (readonly [string, string])[], origin: string, leaf: (text: string) => ConfigNode): ConfigNode {
  const nested = new Map<string, [string, string][]>();
  const children: [string, ConfigNode][] = [];
  for (const [path, text] of entries) {
    const [, head, rest] = NESTED.exec(path) ?? [];
    if (head === undefined || rest === undefined) children.push([path, leaf(text)]);
    else nested.set(head, [...(nested.get(head) ?? []), [rest, text]]);
  }
  // Elements of one name are numbered: kafka_topic, kafka_topic[1] …
  for (const [head, inner] of nested) children.push([head.replace(/\[\d+\]$/, ''), nodeOf(inner, origin, leaf)]);
  return { text: '', children, origin };
}
