import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { KafkaProperties } from '../engine/index.ts';
import { KafkaError } from './errors.ts';

/** A property that cannot work: what is wrong, the value seen, what is allowed. */
export function wrongProperty(text: string): KafkaError {
  return new KafkaError(new Error(text));
}

/** A value out of a list, as the list has it, whatever its case; `byDefault` when the property is not set. */
export function oneOf<T extends string>(properties: KafkaProperties, name: string, allowed: readonly T[], byDefault: T): T {
  const value = properties[name] ?? '';
  if (value === '') return byDefault;
  const found = allowed.find((one) => one.toLowerCase() === value.toLowerCase());
  if (found === undefined) throw wrongProperty(`Unsupported ${name} '${value}': it must be ${listed(allowed)}`);
  return found;
}

/** `a, b or c` */
export function listed(values: readonly string[]): string {
  return values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

export function isOn(properties: KafkaProperties, name: string, byDefault: boolean): boolean {
  return ['true', '1', 't'].includes(oneOf(properties, name, ['true', 'false', '1', '0', 't', 'f'], byDefault ? 'true' : 'false'));
}

/** What `name`.pem says, or else the file that `name`.location names, read now; undefined when neither is set. */
export function pemOf(properties: KafkaProperties, name: string): Pem | undefined {
  const text = properties[`${name}.pem`] ?? '';
  if (text !== '') return { text, origin: `${name}.pem` };
  const path = properties[`${name}.location`] ?? '';
  return path === '' ? undefined : { text: readWhole(`${name}.location`, path).toString('utf8'), origin: `${name}.location: '${path}'` };
}

export interface Pem {
  readonly text: string;
  /** How it is called in errors. */
  readonly origin: string;
}

/** A file; all files of a folder, one behind the other. */
export function readWhole(name: string, path: string): Buffer {
  try {
    if (!statSync(path).isDirectory()) return readFileSync(path);
    const files = readdirSync(path).map((file) => join(path, file));
    return Buffer.from(
      files
        .filter((file) => statSync(file).isFile())
        .map((file) => readFileSync(file, 'utf8'))
        .join('\n'),
    );
  } catch (error) {
    throw wrongProperty(`${name}: '${path}' cannot be read (${(error as NodeJS.ErrnoException).code ?? 'no file'})`);
  }
}
