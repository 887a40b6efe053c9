import { CONFIG_KEYS, SETTINGS, type Config, type Setting } from './settings.ts';

/** The settings by name for a log line: secrets are `***`, settings without a value are left out. */
export function printableConfig(config: Config): Record<string, unknown> {
  const printable: Record<string, unknown> = {};
  for (const key of CONFIG_KEYS) {
    const setting: Setting<unknown> = SETTINGS[key];
    const value = config[key];
    if (value !== undefined && value !== '') printable[setting.name] = setting.isSecret ? '***' : value;
  }
  return printable;
}
