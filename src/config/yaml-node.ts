import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type Pair } from 'yaml';
import type { RawNode } from './raw-node.ts';

/** A YAML file; `problems` are sentences, and `children` empty when there are some. */
export interface YamlFile {
  readonly children: readonly YamlEntry[];
  readonly problems: readonly string[];
}

/** A key at the top of a YAML file with its value. */
export interface YamlEntry {
  readonly name: string;
  /** Where the key stands. */
  readonly origin: string;
  /** The characters of a plain value: a password 007 must not become the number 7. Undefined: it is none; null: there is nothing. */
  readonly text: string | null | undefined;
  readonly node: () => RawNode;
}

/** The top-level keys of the YAML file `path` with its text `yaml`. Never throws. */
export function parseYaml(path: string, yaml: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => `${path} line ${lines.linePos(offset).line}`;
  if (document.errors.length > 0)
    return onlyProblems(document.errors.map((error) => `${at(error.pos[0])} is not valid YAML: ${error.message}.`));
  if (document.contents === null) return onlyProblems([]);
  if (!isMap(document.contents)) return onlyProblems([`The file ${path} must hold lines of the form "http_port: 8124".`]);
  const reader = new YamlReader(document, at);
  return { children: document.contents.items.map((pair) => reader.entry(pair)), problems: [] };
}

function onlyProblems(problems: readonly string[]): YamlFile {
  return { children: [], problems };
}

/** In the server's files `@` marks an attribute, and `#text` the value beside it; in the gateway's own the plain words do. */
const ATTRIBUTE = /^@(.+)$/s;
const PLAIN_ATTRIBUTES: readonly string[] = ['from_env', 'overridable'];
const TEXT_KEYS: readonly string[] = ['#text', 'value'];

class YamlReader {
  readonly #document: Document;
  readonly #at: (offset: number) => string;

  constructor(document: Document, at: (offset: number) => string) {
    this.#document = document;
    this.#at = at;
  }

  entry({ key, value }: Pair): YamlEntry {
    const origin = this.#at((key as Node).range?.[0] ?? 0);
    const node = this.#follow(value);
    return { name: nameOf(key), origin, text: textOf(node), node: () => this.#node(node, origin) };
  }

  #follow(value: unknown): unknown {
    return isAlias(value) ? value.resolve(this.#document) : value;
  }

  #node(value: unknown, origin: string): RawNode {
    if (!isMap(value)) return { ...leaf(origin), text: textOf(value) ?? '' };
    const entries = value.items.map((pair) => this.entry(pair));
    const isValue = entries.every(({ name }) => TEXT_KEYS.includes(name) || PLAIN_ATTRIBUTES.includes(name) || ATTRIBUTE.test(name));
    const attributes = entries.flatMap(({ name, text }) => {
      const attribute = ATTRIBUTE.exec(name)?.[1] ?? (isValue && PLAIN_ATTRIBUTES.includes(name) ? name : undefined);
      return attribute === undefined ? [] : [[attribute, text ?? ''] as const];
    });
    const text = isValue ? (entries.find(({ name }) => TEXT_KEYS.includes(name))?.text ?? '') : '';
    const children = isValue ? [] : value.items.flatMap((pair) => this.#elements(pair));
    return { text, children, attributes: Object.fromEntries(attributes), origin };
  }

  /** A list is an element that comes several times. */
  #elements({ key, value }: Pair): (readonly [string, RawNode])[] {
    const name = nameOf(key);
    if (ATTRIBUTE.test(name) || name === '#text') return [];
    const followed = this.#follow(value);
    const origin = this.#at((key as Node).range?.[0] ?? 0);
    const values = isSeq(followed) ? followed.items.map((item) => this.#follow(item)) : [followed];
    return values.map((one) => [name, this.#node(one, origin)] as const);
  }
}

function leaf(origin: string): RawNode {
  return { text: '', children: [], attributes: {}, origin };
}

function nameOf(key: unknown): string {
  return isScalar(key) ? String(key.value) : '?';
}

function textOf(value: unknown): YamlEntry['text'] {
  if (value === null || value === undefined) return null;
  if (!isScalar<string | number | boolean | null>(value)) return undefined;
  return value.value === null ? null : (value.source ?? String(value.value));
}
