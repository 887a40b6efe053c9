import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installOnce } from './cache.ts';
import { makeFolder, removeFolder } from './folder.ts';
import { freePort } from './ports.ts';
import { startProcess } from './process.ts';

const HERE = fileURLToPath(new URL('./registry/', import.meta.url));

/** A schema registry with Confluent's interface; schemas are kept in its memory. */
export interface RegistryPart {
  /** As in `format_avro_schema_registry_url`, without slash at the end: `<url>/subjects/…`, `<url>/schemas/ids/…`. */
  readonly url: string;
  readonly pid: number;
  /** Registers an Avro schema (JSON text) as the newest version of `subject`; its id, which messages begin with. */
  register(subject: string, schema: string): Promise<number>;
  /** What it printed. */
  output(): string;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

/** Starts Apicurio Registry 2.5 (fetched by Maven on first use, Java 17). */
export async function startRegistry(): Promise<RegistryPart> {
  const install = await installOnce({
    name: 'registry',
    files: [join(HERE, 'pom.xml')],
    command: 'mvn',
    args: ['-q', '-B', 'dependency:unpack-dependencies', '-DoutputDirectory=app'],
  });
  const port = await freePort();
  const folder = makeFolder('registry');
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const registry = await startProcess({
    name: 'the schema registry',
    command: 'java',
    args: [
      '-Xmx256m',
      '-XX:+UseSerialGC',
      '-Dquarkus.http.host=127.0.0.1',
      `-Dquarkus.http.port=${port}`,
      '-jar',
      join(install, 'app', 'apicurio-registry-app-2.5.11.Final-runner.jar'),
    ],
    cwd: folder,
    logFile: join(folder, 'output.log'),
    isReady: async () => (await fetch(`${url}/subjects`)).ok,
  }).catch((error: unknown) => {
    removeFolder(folder);
    throw error;
  });
  // Two schemas that come first at the same time are one too many for it: its sequences are made by the first.
  await register(url, 'warm-up', JSON.stringify({ type: 'record', name: 'WarmUp', fields: [{ name: 'id', type: 'long' }] }));
  return {
    url,
    pid: registry.pid,
    register: async (subject, schema) => register(url, subject, schema),
    output: () => registry.output(),
    stop: async () => {
      await registry.stop();
      removeFolder(folder);
    },
  };
}

async function register(url: string, subject: string, schema: string): Promise<number> {
  const response = await fetch(`${url}/subjects/${encodeURIComponent(subject)}/versions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the registry refused a schema of ${subject}: ${text}`);
  return (JSON.parse(text) as { id: number }).id;
}
