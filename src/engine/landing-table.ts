import {
  insertAt,
  parseStatement,
  quoteString,
  removeSpan,
  replaceSpan,
  splice,
  type CreateTable,
  type Edit,
  type SettingAssignment,
} from '../sql/index.ts';
import { settingText } from './read-settings.ts';
import type { AddedColumn } from './carriers.ts';

export interface LandingTable {
  /** The comment that makes the table ours (`writeDefinition`). */
  readonly definition: string;
  /** Columns behind the user's own. */
  readonly added: readonly AddedColumn[];
  /** Settings found among the engine's that belong to the query; only where the query has no SETTINGS clause of its own. */
  readonly querySettings: readonly SettingAssignment[];
  /** The UUID of the table; absent: the server chooses. */
  readonly uuid?: string | undefined;
}

/**
 * The statement that creates the landing table of `create` (parsed from `text`, with a column list and an engine): `text` with columns
 * added, `ENGINE = Null`, the definition for a comment, and nothing else changed.
 */
export function landingStatement(text: string, create: CreateTable, { definition, added, querySettings, uuid }: LandingTable): string {
  const { elements, engine, comment } = create;
  if (elements === undefined || engine === undefined) throw new TypeError('a landing table needs columns and an engine');
  const declarations = added.map(({ declaration }) => `, ${declaration}`);
  const moved = querySettings.map(settingText).join(', ');
  const querySettingsClause = moved === '' ? '' : ` SETTINGS ${moved}`;
  const edits: Edit[] = [
    insertAt(afterLastElement(create), `${declarations.join('')}, ${GUARD}`),
    replaceSpan(engine.span, `ENGINE = Null COMMENT ${quoteString(definition)}${querySettingsClause}`),
    ...create.settings.filter(({ scope }) => scope === 'engine').map((clause) => removeSpan(clause.span)),
  ];
  if (comment !== undefined) edits.push(removeSpan(comment.span));
  if (uuid !== undefined) edits.push(uuidEdit(create, uuid));
  return splice(text, edits);
}

/**
 * Whether `landing` is read as the landing table with that definition. A `$$` that begins nothing in the client's statement may find its end in what was put behind
 * it: everything between would be a text, and what follows a statement of the client's choice.
 */
export function isLandingWith(landing: string, definition: string): boolean {
  const parsed = parseStatement(landing);
  if (!parsed.ok || parsed.statement.kind !== 'create-table') return false;
  const { engine, comment } = parsed.statement;
  return engine?.name === 'Null' && comment?.value === definition;
}

function uuidEdit({ name, uuid: written }: CreateTable, uuid: string): Edit {
  const clause = `UUID ${quoteString(uuid)}`;
  return written === undefined ? insertAt(name.span.end, ` ${clause}`) : replaceSpan(written.span, clause);
}

const GUARD_NAME = 'sluice_by_gateway';

/**
 * A landing table keeps nothing: what is inserted by anybody but a stream, which has this setting, would be lost to Kafka. It happens to those who INSERT past the
 * gateway, or through one that has not heard of the table yet.
 */
const GUARD =
  `CONSTRAINT ${GUARD_NAME} CHECK throwIf(NOT getSetting('insert_allow_materialized_columns'), ` +
  `'Rows for a Kafka table go through the gateway, and this INSERT came past it, or by a gateway that did not know the table yet: repeat it through the gateway') = 0`;

/** Whether this element of a landing table's list of columns is the gateway's. */
export function isGuard(text: string): boolean {
  return new RegExp(`^CONSTRAINT\\s+\`?${GUARD_NAME}\`?\\s`, 'i').test(text);
}

/** Where more elements can be added: behind the last one, before what follows it (a trailing comma, a comment to the line's end). */
function afterLastElement({ elements }: CreateTable): number {
  const last = elements?.items.at(-1);
  return last?.span.end ?? 0;
}
