import { clickhouseError } from '../errors.ts';
import { quoteString, type CreateTable, type SettingAssignment, type Value } from '../sql/index.ts';
import type { Ask } from './ask.ts';
import { convertSetting, literalOf, type Literal, type SettingValue } from './setting-values.ts';
import { checkSecretAddress, maskSecret, SECRET_SETTINGS } from './secrets.ts';
import { ENGINE_SETTINGS, isEngineSetting, isFormatSetting, isInsertSetting, type EngineSettingName } from './settings.ts';

export interface ReadSettings {
  readonly values: ReadonlyMap<EngineSettingName, SettingValue>;
  readonly formatSettings: Readonly<Record<string, string>>;
  readonly insertSettings: Readonly<Record<string, string>>;
  readonly querySettings: readonly SettingAssignment[];
}

/**
 * Reads the engine's SETTINGS clause. The server looks at what belongs to the query first, then at the rest of the statement
 * (`checkStatement`), then at the engine's own settings in their order. Settings that are not the engine's are the server's to judge.
 */
export async function readSettings(create: CreateTable, ask: Ask, checkStatement: () => Promise<void>): Promise<ReadSettings> {
  refuseSecretsOfQuery(create);
  const assignments = create.settings.filter(({ scope }) => scope === 'engine').flatMap((clause) => clause.assignments);
  const known = await knownServerSettings(assignments, ask);
  // With a SETTINGS clause of its own the query takes nothing from the engine's.
  if (create.settings.some(({ scope }) => scope === 'query')) removeWhere(known, (name) => !staysWithTable(name));
  await checkByServer(
    assignments.filter(({ name }) => known.has(name)),
    ask,
  );
  await checkStatement();
  const values = new Map<EngineSettingName, SettingValue>();
  const formatSettings: Record<string, string> = {};
  const insertSettings: Record<string, string> = {};
  for (const { name, value } of assignments) {
    if (isDefault(value)) continue;
    if (isEngineSetting(name)) values.set(name, convertSetting(ENGINE_SETTINGS[name].type, settingLiteral(value)));
    else if (!known.has(name)) throw clickhouseError('UNKNOWN_SETTING', `Unknown setting '${name}': for storage Kafka`);
    else if (isFormatSetting(name)) {
      formatSettings[name] = literalText(settingLiteral(value));
      checkSecretAddress(name, formatSettings[name]);
    } else if (isInsertSetting(name)) insertSettings[name] = literalText(settingLiteral(value));
  }
  const querySettings = assignments.filter(({ name }) => known.has(name) && !staysWithTable(name));
  return { values, formatSettings, insertSettings, querySettings };
}

/** The query's own SETTINGS go to the server as they are. It knows none of these, and would log their values with its refusal. */
function refuseSecretsOfQuery({ settings }: CreateTable): void {
  const names = settings.flatMap(({ scope, assignments }) => (scope === 'query' ? assignments.map(({ name }) => name) : []));
  const secret = names.find((name) => SECRET_SETTINGS.has(name));
  if (secret !== undefined) throw clickhouseError('UNKNOWN_SETTING', `Unknown setting '${secret}'`);
}

function staysWithTable(name: string): boolean {
  return isFormatSetting(name) || isInsertSetting(name);
}

/** What a query setting will be for this statement: from the statement's own clauses, else from the client's session. */
export async function querySetting(create: CreateTable, name: string, ask: Ask): Promise<string> {
  const written = create.settings.flatMap(({ assignments }) => assignments).findLast((assignment) => assignment.name === name);
  if (written !== undefined && !isDefault(written.value)) return literalText(settingLiteral(written.value));
  const [[value = ''] = []] = await ask(`SELECT toString(getSetting(${quoteString(name)}))`);
  return value;
}

/** Whether the value of a boolean query setting is true. */
export function isTrue(value: string): boolean {
  return value === '1' || value === 'true';
}

async function knownServerSettings(assignments: readonly SettingAssignment[], ask: Ask): Promise<Set<string>> {
  const names = assignments.map(({ name }) => name).filter((name) => !isEngineSetting(name));
  if (names.length === 0) return new Set();
  const rows = await ask(`SELECT name FROM system.settings WHERE name IN (${names.map(quoteString).join(', ')})`);
  return new Set(rows.map(([name = '']) => name));
}

function removeWhere(names: Set<string>, isUnwanted: (name: string) => boolean): void {
  for (const name of names) if (isUnwanted(name)) names.delete(name);
}

async function checkByServer(assignments: readonly SettingAssignment[], ask: Ask): Promise<void> {
  if (assignments.length === 0) return;
  await ask(`SELECT 1 SETTINGS ${assignments.map(maskedSettingText).join(', ')}`);
}

/** An assignment as it can stand in a SETTINGS clause; a name alone means true. */
export function settingText({ name, value }: SettingAssignment): string {
  return value.text === '' ? name : `${name} = ${value.text}`;
}

/** As `settingText`, secrets hidden. */
export function maskedSettingText(assignment: SettingAssignment): string {
  const { name, value } = assignment;
  return value.kind === 'string' ? `${name} = ${quoteString(maskSecret(name, value.value))}` : settingText(assignment);
}

/** The first setting whose value is no literal; the server's parser stops there, whatever the setting. */
export function settingWithoutLiteral(create: CreateTable): SettingAssignment | undefined {
  const assignments = create.settings.flatMap((clause) => clause.assignments);
  return assignments.find(({ value }) => !isDefault(value) && literalOf(value) === undefined);
}

function isDefault(value: Value): boolean {
  return value.kind === 'identifier' && value.name.toUpperCase() === 'DEFAULT';
}

/** `settingWithoutLiteral` is asked first. */
function settingLiteral(value: Value): Literal {
  const literal = literalOf(value);
  if (literal === undefined) throw new TypeError(`${value.text} is not a literal`);
  return literal;
}

function literalText(literal: Literal): string {
  if (literal.type === 'Null') return 'NULL';
  if (literal.type === 'Bool') return literal.value ? '1' : '0';
  return String(literal.value);
}
