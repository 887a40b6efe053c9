import { isLeaf, type ConfigNode } from './node.ts';
import { checkProperty, type KafkaProperties, type RoleProperties } from './properties.ts';

/** Properties for all topics, and those for single ones, the later the stronger. */
export interface KafkaLevel {
  readonly properties: KafkaProperties;
  readonly topics: readonly { readonly name: string; readonly properties: KafkaProperties }[];
}

/** A `kafka` section: of the gateway's file, of a ClickHouse server's, or of a named collection. */
export interface KafkaSection {
  readonly shared: KafkaLevel;
  readonly consumer: KafkaLevel;
  readonly producer: KafkaLevel;
}

/** A property that was given and means nothing here. */
export interface MeaninglessProperty {
  readonly name: string;
  readonly instead: string;
}

export interface ReadSection {
  readonly section: KafkaSection;
  readonly meaningless: readonly MeaninglessProperty[];
  /** Sentences; secrets are not in them. */
  readonly problems: readonly string[];
}

const EMPTY_LEVEL: KafkaLevel = { properties: {}, topics: [] };
export const EMPTY_SECTION: KafkaSection = { shared: EMPTY_LEVEL, consumer: EMPTY_LEVEL, producer: EMPTY_LEVEL };

type Role = keyof RoleProperties;

const TOPIC = 'kafka_topic';
/** Of a `kafka_topic`. */
const NAME = 'name';
/** `<kafka_football>` holds properties of the topic football. */
const LEGACY_TOPIC = /^kafka_(.+)$/s;

/**
 * Reads a section: properties, `consumer` and `producer`, and for single topics `kafka_topic` with a `name` (as in the server's files), `kafka_NAME` (as in its
 * old ones), or `topics` with a map for each name, which may have a `consumer` and a `producer` again.
 */
export function readSection(node: ConfigNode): ReadSection {
  const reading = new Reading();
  const section = reading.section(node);
  return { section, meaningless: reading.meaningless, problems: reading.problems };
}

/** A topic's own properties, for both roles and for each. */
interface ReadTopic {
  readonly name: string;
  readonly shared: KafkaProperties;
  readonly consumer: KafkaProperties;
  readonly producer: KafkaProperties;
}

class Reading {
  readonly meaningless: MeaninglessProperty[] = [];
  readonly problems: string[] = [];

  section(node: ConfigNode): KafkaSection {
    const topics = this.#topics(node);
    const shared = { properties: this.#properties(node), topics: topicsFor('shared', topics) };
    return { shared, consumer: this.#role(node, 'consumer', topics), producer: this.#role(node, 'producer', topics) };
  }

  #role(node: ConfigNode, role: Role, topics: readonly ReadTopic[]): KafkaLevel {
    const own = childrenOf(node, role).flatMap((one) => this.#topics(one, true));
    return { properties: this.#ofRole(node, role), topics: [...topicsFor(role, topics), ...topicsFor('shared', own)] };
  }

  #ofRole(node: ConfigNode, role: Role): KafkaProperties {
    return mergeProperties(childrenOf(node, role).map((one) => this.#properties(one)));
  }

  #topics(node: ConfigNode, isRole = false): ReadTopic[] {
    const named = childrenOf(node, 'topics').flatMap(({ children }) => children.map(([name, topic]) => this.#topic(name, topic)));
    const server = childrenOf(node, TOPIC).flatMap((topic) => this.#serversTopic(topic));
    // The server reads over the old form in a role's section.
    const legacy = isRole ? [] : node.children.filter(([tag]) => isLegacyTopic(tag));
    return [...named, ...server, ...legacy.map(([tag, topic]) => this.#topic(LEGACY_TOPIC.exec(tag)?.[1] ?? '', topic))];
  }

  #serversTopic(topic: ConfigNode): ReadTopic[] {
    const [name] = childrenOf(topic, NAME);
    if (name !== undefined) return [this.#topic(name.text, topic)];
    this.problems.push(`${TOPIC} from ${topic.origin} needs the name of its topic: <name>TOPIC</name>, in YAML name: TOPIC.`);
    return [];
  }

  #topic(name: string, node: ConfigNode): ReadTopic {
    const [consumer, producer] = [this.#ofRole(node, 'consumer'), this.#ofRole(node, 'producer')];
    return { name, shared: this.#properties(node), consumer, producer };
  }

  #properties(node: ConfigNode): KafkaProperties {
    const properties: Record<string, string> = {};
    for (const [name, child] of node.children) {
      if (isStructure(name)) {
        if (name !== NAME && child.text !== '') this.problems.push(`${name} from ${child.origin} must hold properties, one a line.`);
        continue;
      }
      if (!isLeaf(child)) {
        this.problems.push(`The Kafka property ${name} from ${child.origin} must be one plain value.`);
        continue;
      }
      const checked = checkProperty(name, child.text, child.origin);
      if (checked.kind === 'works') properties[checked.name] = checked.value;
      else if (checked.kind === 'means-nothing') this.meaningless.push({ name: checked.name, instead: checked.instead });
      else this.problems.push(checked.problem);
    }
    return properties;
  }
}

function isStructure(name: string): boolean {
  return ['consumer', 'producer', 'topics', NAME, TOPIC].includes(name) || isLegacyTopic(name);
}

function isLegacyTopic(name: string): boolean {
  return name !== TOPIC && LEGACY_TOPIC.test(name);
}

function childrenOf({ children }: ConfigNode, wanted: string): ConfigNode[] {
  return children.filter(([name]) => name === wanted).map(([, node]) => node);
}

function topicsFor(role: 'shared' | Role, topics: readonly ReadTopic[]): KafkaLevel['topics'] {
  return topics
    .map((topic) => ({ name: topic.name, properties: topic[role] }))
    .filter(({ properties }) => Object.keys(properties).length > 0);
}

/** `later` over `earlier`, level by level. */
export function mergeSections(earlier: KafkaSection, later: KafkaSection): KafkaSection {
  const level = (of: keyof KafkaSection): KafkaLevel => ({
    properties: mergeProperties([earlier[of].properties, later[of].properties]),
    topics: [...earlier[of].topics, ...later[of].topics],
  });
  return { shared: level('shared'), consumer: level('consumer'), producer: level('producer') };
}

/** What a section says for a table of these topics, in the server's order: shared, shared of a topic, of the role, of a topic in the role. */
export function propertiesOf(section: KafkaSection, topics: readonly string[]): RoleProperties {
  const ofLevel = (level: KafkaLevel): KafkaProperties =>
    mergeProperties([level.properties, ...level.topics.filter(({ name }) => topics.includes(name)).map(({ properties }) => properties)]);
  const shared = ofLevel(section.shared);
  return { consumer: mergeProperties([shared, ofLevel(section.consumer)]), producer: mergeProperties([shared, ofLevel(section.producer)]) };
}

/** The later over the earlier. What says the same by another name (`ssl.ca.pem`, `ssl.ca.location`) gives way as well. */
export function mergeProperties(all: readonly KafkaProperties[]): KafkaProperties {
  const properties = new Map<string, string>();
  for (const later of all) {
    for (const name of Object.keys(later)) properties.delete(otherName(name));
    for (const [name, value] of Object.entries(later)) properties.set(name, value);
  }
  return Object.fromEntries(properties);
}

function otherName(name: string): string {
  if (name === 'sasl.mechanism') return 'sasl.mechanisms';
  if (name === 'sasl.mechanisms') return 'sasl.mechanism';
  return name.endsWith('.pem') ? name.replace(/pem$/, 'location') : name.endsWith('.location') ? name.replace(/location$/, 'pem') : '';
}

/** The section with values changed. */
export function mapProperties(section: KafkaSection, change: (name: string, value: string) => string): KafkaSection {
  const changed = (properties: KafkaProperties): KafkaProperties =>
    Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, change(name, value)]));
  const level = ({ properties, topics }: KafkaLevel): KafkaLevel => ({
    properties: changed(properties),
    topics: topics.map((topic) => ({ name: topic.name, properties: changed(topic.properties) })),
  });
  return { shared: level(section.shared), consumer: level(section.consumer), producer: level(section.producer) };
}
