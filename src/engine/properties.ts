import { resolve, sep } from 'node:path';
import { clickhouseError } from '../errors.ts';
import { mapProperties, type KafkaProperties, type KafkaSection } from '../librdkafka/index.ts';
import type { EngineSettingName } from './settings.ts';

/** Properties whose setting is their name with `_` for `.`, behind `kafka_`: as on the server (`KafkaConfigLoader.cpp`), and our own in its manner. */
const SETTABLE = [
  'security.protocol',
  'sasl.mechanism',
  'sasl.username',
  'sasl.password',
  'sasl.oauthbearer.method',
  'sasl.oauthbearer.client.id',
  'sasl.oauthbearer.client.secret',
  'sasl.oauthbearer.scope',
  'sasl.oauthbearer.extensions',
  'sasl.oauthbearer.token.endpoint.url',
  'https.ca.pem',
  'https.ca.location',
  'ssl.ca.pem',
  'ssl.ca.location',
  'ssl.certificate.pem',
  'ssl.certificate.location',
  'ssl.key.pem',
  'ssl.key.location',
  'ssl.key.password',
  'enable.ssl.certificate.verification',
  'ssl.endpoint.identification.algorithm',
  'compression.codec',
  'compression.level',
  'partitioner',
  // Not librdkafka's: it has no AWS_MSK_IAM.
  'aws.region',
] as const;

type Settable = (typeof SETTABLE)[number];
type Underscored<Name extends string> = Name extends `${infer Head}.${infer Tail}` ? `${Head}_${Underscored<Tail>}` : Name;

const PROPERTY_OF = new Map<EngineSettingName, Settable>(
  SETTABLE.map((property) => [`kafka_${property.replaceAll('.', '_') as Underscored<Settable>}`, property]),
);

/**
 * The properties that a table's own settings give; an empty one gives none. Whoever writes SQL must not read files of the gateway's machine, nor find out by errors
 * what there is: files are below `filesFolder`, which the gateway's configuration names. Throws BAD_ARGUMENTS for others.
 */
export function propertiesOfSettings(settings: Readonly<Record<string, string>>, filesFolder: string | undefined): KafkaProperties {
  const given = [...PROPERTY_OF].map(([name, property]) => [name, property, settings[name] ?? ''] as const);
  return Object.fromEntries(
    given
      .filter(([, , value]) => value !== '')
      .map(([name, property, value]) => [property, isFile(property) ? pathIn(filesFolder, name, value) : value]),
  );
}

/** Throws for files that a table's settings may not name. */
export function checkFiles(settings: ReadonlyMap<EngineSettingName, string>, filesFolder: string | undefined): void {
  for (const [name, property] of PROPERTY_OF) {
    const value = settings.get(name) ?? '';
    if (isFile(property) && value !== '') pathIn(filesFolder, name, value);
  }
}

/** The section of a named collection that users of the server wrote: its files are the gateway's, too. Throws as above. */
export function withFilesIn(section: KafkaSection, filesFolder: string | undefined): KafkaSection {
  return mapProperties(section, (name, value) => (isFile(name) ? pathIn(filesFolder, name, value) : value));
}

function isFile(property: string): boolean {
  return property.endsWith('.location');
}

function pathIn(folder: string | undefined, name: string, path: string): string {
  const pem = name.replace(/location$/, 'pem');
  if (folder === undefined) {
    const text = `${name} names a file of the gateway's machine, and its configuration names no folder for such files`;
    throw clickhouseError('BAD_ARGUMENTS', `${text}: give the contents with ${pem}, or have kafka_ssl_folder set`);
  }
  const root = resolve(folder);
  const file = resolve(root, path);
  if (file.startsWith(`${root}${sep}`)) return file;
  throw clickhouseError(
    'BAD_ARGUMENTS',
    `${name} '${path}' is not below kafka_ssl_folder: name a file in it, or give the contents with ${pem}`,
  );
}
