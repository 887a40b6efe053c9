import { randomUUID } from 'node:crypto';
import { placeOfDatabase, placeOfUuid, takesUuids, type Place } from '../engine/index.ts';
import { quoteString, type CreateTable } from '../sql/index.ts';
import type { ClientSession } from './types.ts';

/** Where a landing table will be. */
export interface LandingPlace {
  /** What its definition is bound to. */
  readonly place: Place;
  /** The UUID that the statement must give to the table; absent: none. */
  readonly uuid?: string;
}

const NO_UUID = '00000000-0000-0000-0000-000000000000';

/** Asks the server what kind of database it is. */
export async function landingPlace(create: CreateTable, database: string, session: Pick<ClientSession, 'query'>): Promise<LandingPlace> {
  const [[engine] = []] = await session.query(`SELECT engine FROM system.databases WHERE name = ${quoteString(database)}`);
  // ATTACH without one is refused by the server, in words of its own.
  if (!takesUuids(engine) || (create.verb === 'ATTACH' && create.uuid === undefined)) return { place: placeOfDatabase(database) };
  const uuid = writtenUuid(create) ?? randomUUID();
  return { place: placeOfUuid(uuid), uuid };
}

/** As the server prints it; undefined when there is none, or one that stands for none. What is not a UUID at all is the server's to refuse. */
function writtenUuid({ uuid }: CreateTable): string | undefined {
  if (uuid === undefined) return undefined;
  const digits = uuid.value.replaceAll('-', '').toLowerCase();
  const printed = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return printed === NO_UUID ? undefined : /^[0-9a-f-]{36}$/.test(printed) ? printed : uuid.value;
}
