import { EMPTY_SECTION, type KafkaSection, type NamedCollection } from '../librdkafka/index.ts';
import type { Definition } from './definition.ts';
import { checkSecretAddress } from './secrets.ts';
import { convertSetting, valueText } from './setting-values.ts';
import { ENGINE_SETTINGS, isEngineSetting, isFormatSetting } from './settings.ts';

/** A named collection with its values, or a sentence that says why they are not known. */
export type FoundCollection =
  | {
      readonly ok: true;
      readonly collection: NamedCollection;
      /** Of the gateway's configuration, whatever the server has of that name. */ readonly isGateways?: true;
    }
  | { readonly ok: false; readonly reason: string };

/** What a table is made of beside its own statement. */
export interface Sources {
  /** The section that holds for every table. */
  readonly kafka: KafkaSection;
  /** Where files are that tables may name; absent: nowhere. */
  readonly filesFolder?: string | undefined;
  /** The collection of that name, the server's if its values may be read, else the gateway's own; undefined: neither has one, as far as the gateway can see. */
  readonly findCollection: (name: string) => Promise<FoundCollection | undefined>;
}

export const NO_SOURCES: Sources = { kafka: EMPTY_SECTION, findCollection: async () => Promise.resolve(undefined) };

/** Settings by name with those of a collection below them, as the server takes them: what it does not know is read over. Throws the server's exception for a wrong value. */
export function settingsOf(
  { settings }: Pick<Definition, 'settings'>,
  collection: NamedCollection | undefined,
): Readonly<Record<string, string>> {
  return collection === undefined ? settings : { ...knownSettings(collection.values), ...settings };
}

/** What of a collection's values, or of those given in its place, are settings of a Kafka table. */
export function knownSettings(values: Readonly<Record<string, string>>): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (isEngineSetting(name)) settings[name] = valueText(convertSetting(ENGINE_SETTINGS[name].type, { type: 'String', value }));
    else if (isFormatSetting(name)) {
      checkSecretAddress(name, value);
      settings[name] = value;
    }
  }
  return settings;
}
