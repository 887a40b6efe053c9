import {
  EMPTY_SECTION,
  isAboutKafka,
  mergeSections,
  readCollection,
  readSection,
  type MeaninglessProperty,
  type NamedCollection,
} from '../librdkafka/index.ts';
import { resolveNode, type Environment, type RawNode } from './raw-node.ts';
import { SECTIONS, SETTINGS, type KafkaSources } from './settings.ts';
import { whyUnreadable } from './unreadable.ts';
import { parseXml } from './xml-node.ts';
import { parseYaml } from './yaml-node.ts';

/** Sections of a file by name. */
export type Sections = ReadonlyMap<string, RawNode>;

export interface ReadKafkaSources {
  readonly sources: KafkaSources;
  readonly problems: readonly string[];
}

/** The sections of the gateway's own file (`own`), over those of a ClickHouse server's file at `path`. Never throws. */
export function readKafkaSources(
  own: Sections,
  path: string | undefined,
  { env, readFile }: { readonly env: Environment; readonly readFile: (path: string) => string },
): ReadKafkaSources {
  const server = path === undefined ? { sections: NO_SECTIONS, problems: [] } : readServerFile(path, readFile);
  const problems = [...server.problems];
  const meaningless: MeaninglessProperty[] = [];
  const take = <T extends { readonly problems: readonly string[]; readonly meaningless: readonly MeaninglessProperty[] }>(read: T): T => {
    problems.push(...read.problems);
    meaningless.push(...read.meaningless);
    return read;
  };
  let kafka = EMPTY_SECTION;
  const namedCollections = new Map<string, NamedCollection>();
  for (const sections of [server.sections, own]) {
    const section = sections.get(SECTIONS.kafka.name);
    if (section !== undefined) kafka = mergeSections(kafka, take(readSection(resolveNode(section, env, problems))).section);
    for (const [name, node] of sections.get(SECTIONS.namedCollections.name)?.children ?? []) {
      if (isAboutKafka(node)) namedCollections.set(name, take(readCollection(name, resolveNode(node, env, problems))).collection);
    }
  }
  const meaninglessProperties = [...new Map(meaningless.map((property) => [property.name, property])).values()];
  return { sources: { kafka, namedCollections, meaninglessProperties }, problems };
}

const NO_SECTIONS: Sections = new Map();

interface ServerFile {
  readonly sections: Sections;
  readonly problems: readonly string[];
}

function readServerFile(path: string, readFile: (path: string) => string): ServerFile {
  const { name } = SETTINGS.kafkaConfigFile;
  const failed = (...problems: readonly string[]): ServerFile => ({
    sections: NO_SECTIONS,
    problems: problems.map((text) => `${name}: ${text}`),
  });
  let content: string;
  try {
    content = readFile(path);
  } catch (error) {
    return failed(`the file '${path}' ${whyUnreadable(error)}: give the path of a ClickHouse server's configuration file.`);
  }
  const { children, problems } = content.trimStart().startsWith('<') ? childrenOfXml(path, content) : childrenOfYaml(path, content);
  if (problems.length > 0) return failed(...problems);
  const wanted = Object.values(SECTIONS).map((section) => section.name);
  const sections = new Map(children.filter(([child]) => wanted.includes(child)));
  if (sections.size === 0) return failed(`the file '${path}' holds neither ${wanted.join(' nor ')}: name the file that does.`);
  return { sections, problems: [] };
}

type Children = Pick<RawNode, 'children'> & { readonly problems: readonly string[] };

function childrenOfXml(path: string, content: string): Children {
  const parsed = parseXml(path, content);
  return parsed.ok ? { children: parsed.root.children, problems: [] } : { children: [], problems: [parsed.problem] };
}

/** In YAML the root element need not be written. */
function childrenOfYaml(path: string, content: string): Children {
  const { children, problems } = parseYaml(path, content);
  const nodes = children.map((entry) => [entry.name, entry.node()] as const);
  const [[root, node] = []] = nodes;
  return { children: nodes.length === 1 && (root === 'clickhouse' || root === 'yandex') ? (node?.children ?? []) : nodes, problems };
}
