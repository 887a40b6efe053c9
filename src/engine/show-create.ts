import {
  parseStatement,
  quoteString,
  replaceSpan,
  splice,
  textOf,
  type CreateTable,
  type SettingAssignment,
  type TableElement,
} from '../sql/index.ts';
import type { Ask } from './ask.ts';
import { isAddedColumn, type Definition } from './definition.ts';
import { isGuard } from './landing-table.ts';
import { maskedSettingText } from './read-settings.ts';
import { maskSecret } from './secrets.ts';

/**
 * ENGINE and SETTINGS as SHOW CREATE TABLE of the real engine prints them: arguments evaluated, secrets hidden, literals as the
 * server's formatter (`formatQuery`, asked) writes them. `argumentTexts` as `checkKafkaTable` gives them.
 */
export async function engineText(
  create: CreateTable,
  argumentTexts: readonly string[] | undefined,
  querySettings: readonly SettingAssignment[],
  ask: Ask,
): Promise<string> {
  const assignments = create.settings.filter(({ scope }) => scope === 'engine').flatMap((clause) => clause.assignments);
  const kept = assignments.filter((assignment) => !querySettings.includes(assignment)).map(maskedSettingText);
  const engine = `ENGINE = Kafka${argumentTexts === undefined ? '' : `(${argumentTexts.join(', ')})`}`;
  const settings = kept.length === 0 ? '' : ` SETTINGS ${kept.join(', ')}`;
  const [[formatted = ''] = []] = await ask(`SELECT formatQuery(${quoteString(`CREATE TABLE t (c Int8) ${engine}${settings}`)})`);
  return formatted.slice(formatted.indexOf('\nENGINE') + 1);
}

/** The statement as the user wrote it (`text`), secrets in it hidden. */
export function withoutSecrets(text: string, create: CreateTable): string {
  const secrets = namedValues(create).flatMap(({ name, value }) =>
    value.kind === 'string' && maskSecret(name, value.value) !== value.value ? [{ name, value }] : [],
  );
  return secrets.reduceRight(
    (masked, { name, value }) =>
      `${masked.slice(0, value.span.start)}${quoteString(maskSecret(name, value.value))}${masked.slice(value.span.end)}`,
    text,
  );
}

/** Everything in a statement that has a name and a value, in its order: arguments in place of a collection's values, and SETTINGS. */
function namedValues({ engine, settings }: CreateTable): readonly Pick<SettingAssignment, 'name' | 'value'>[] {
  const args = (engine?.args ?? []).flatMap(({ name, value }) => (name === undefined ? [] : [{ name, value }]));
  return [...args, ...settings.flatMap(({ assignments }) => assignments)];
}

/** `engine` of a definition, with the values of its secret settings written in again, so that it can be run. */
export function withSecrets(engine: string, secrets: Readonly<Record<string, string>>): string {
  const head = 'CREATE TABLE t (c Int8) ';
  const parsed = parseStatement(head + engine);
  if (!parsed.ok || parsed.statement.kind !== 'create-table') throw new TypeError('the engine of a definition cannot be read');
  const edits = namedValues(parsed.statement).flatMap(({ name, value }) =>
    secrets[name] === undefined ? [] : [replaceSpan(value.span, quoteString(secrets[name]))],
  );
  return splice(head + engine, edits).slice(head.length);
}

/**
 * What SHOW CREATE TABLE of the real engine answers, from the landing table's own answer: its columns without the virtual ones, then
 * the engine of the definition and the user's comment. Undefined when `landing` is not the CREATE TABLE of a landing table.
 */
export function showCreateText(landing: string, definition: Definition): string | undefined {
  const elements = visibleElements(landing, definition);
  if (elements === undefined) return undefined;
  const comment = definition.comment === '' ? '' : `\nCOMMENT ${quoteString(definition.comment)}`;
  return `${elements.head}(\n${elements.texts.map((text) => `    ${text}`).join(',\n')}\n)\n${definition.engine}${comment}`;
}

export interface VisibleElements {
  /** What stands before the bracket. */
  readonly head: string;
  readonly texts: readonly string[];
  /** Those of `texts` that are columns. */
  readonly columnTexts: readonly string[];
}

/** The elements of a CREATE TABLE of the server's that the user declared; `definition` is that of a landing table. */
export function visibleElements(statement: string, definition: Definition | undefined): VisibleElements | undefined {
  const parsed = parseStatement(statement);
  if (!parsed.ok || parsed.statement.kind !== 'create-table' || parsed.statement.elements === undefined) return undefined;
  const { items, span } = parsed.statement.elements;
  const isOurs = (item: TableElement): boolean =>
    definition !== undefined && (item.kind === 'column' ? isAddedColumn(definition, item) : isGuard(textOf(statement, item.span)));
  const own = items.filter((item) => !isOurs(item));
  const textsOf = (items: readonly TableElement[]): string[] => items.map((item) => textOf(statement, item.span));
  return { head: statement.slice(0, span.start), texts: textsOf(own), columnTexts: textsOf(own.filter(({ kind }) => kind === 'column')) };
}
