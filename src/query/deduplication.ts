import type { DispatcherOptions, StatementContext } from './context.ts';
import type { ClientSession } from './types.ts';

const TOKEN = 'insert_deduplication_token';

/** Settings that decide it, of new and of older servers. */
const OWN_SETTINGS = ['deduplicate_insert', 'deduplicate_insert_select', 'insert_deduplicate'];

/** What is known of the server behind a gateway. */
const hasNewSetting = new WeakMap<DispatcherOptions, boolean>();

/**
 * Settings without which the server would drop the rows of an INSERT whose like it has seen a moment ago: two equal INSERTs are two messages, unless the
 * client says by a token that one repeats the other, or says something itself. `text`: where the statement may say it.
 */
export async function deduplicationSettings(
  text: string,
  { session, options }: Pick<StatementContext, 'session' | 'options'>,
): Promise<Record<string, string>> {
  const says = (name: string): boolean => session.setting(name) !== undefined || text.includes(name);
  if ([TOKEN, ...OWN_SETTINGS].some(says)) return {};
  const isNew = hasNewSetting.get(options) ?? (await knowsNewSetting(session));
  hasNewSetting.set(options, isNew);
  return isNew ? { deduplicate_insert: 'disable' } : { insert_deduplicate: '0' };
}

async function knowsNewSetting(session: ClientSession): Promise<boolean> {
  const [[count = '0'] = []] = await session.query("SELECT count() FROM system.settings WHERE name = 'deduplicate_insert'");
  return count !== '0';
}
