import { ENGINE_SETTINGS, INSERT_SETTINGS, PROFILE_SETTINGS, type EngineSetting, type SettingEffect } from './settings.ts';

const EFFECTS: Readonly<Record<SettingEffect, string>> = { works: '', none: 'No effect. ', later: 'No effect yet. ' };

/** The README's tables of the engine's settings, of those for INSERTs and of the server's that change the engine, in Markdown. */
export function engineSettingsTable(): string {
  const settings: [string, EngineSetting][] = Object.entries(ENGINE_SETTINGS);
  const own = settings.map(([name, { type, default: byDefault, extension, ...told }]) => [
    `\`${name}\`${extension ? ' (extension)' : ''}`,
    type === 'handle-error-mode' ? 'enum' : type,
    byDefault === '' ? 'empty' : byDefault,
    sentenceOf(told),
  ]);
  const profile = Object.entries(PROFILE_SETTINGS).map(([name, told]) => [`\`${name}\``, sentenceOf(told)]);
  const inserts = Object.entries(INSERT_SETTINGS).map(([name, sentence]) => [`\`${name}\``, sentence]);
  return [
    markdown(['Setting', 'Type', 'Default', 'What it does here'], own),
    markdown(['Setting of INSERTs, among those of the table', 'What it does'], inserts),
    markdown(['Setting of the server', 'What it does here'], profile),
  ].join('\n\n');
}

function sentenceOf({ effect, sentence }: { readonly effect: SettingEffect; readonly sentence: string }): string {
  return `${EFFECTS[effect]}${sentence}`;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
