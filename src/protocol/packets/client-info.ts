import { ProtocolError, type ByteReader } from '../reader.ts';
import { hasFeature } from '../revisions.ts';

/** Where something stands in the stream: positions of a reader. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What a Query packet says about its sender, as far as it is looked at. */
export interface ClientInfo {
  /** 0: nothing else is said; 1: from a client; 2: from a server on behalf of a query of its own. */
  readonly queryKind: number;
  /** Where the client repeats the revision of its Hello. */
  readonly revision?: Span;
}

const INTERFACE_TCP = 1;
const INTERFACE_HTTP = 2;
const MAX_QUERY_KIND = 2;
const TRACE_CONTEXT_BYTES = 24;
const MAX_ROLES = 10_000;

/** Goes over the client info of a Query packet. Source: ClickHouse `src/Interpreters/ClientInfo.cpp`. */
export async function readClientInfo(reader: ByteReader, revision: number): Promise<ClientInfo> {
  const queryKind = await reader.u8();
  if (queryKind > MAX_QUERY_KIND) throw new ProtocolError(`unknown query kind ${queryKind}`);
  if (queryKind === 0) return { queryKind };
  // Initial user, initial query id, initial address.
  await reader.skipStrings(3);
  if (hasFeature(revision, 'query start time')) await reader.skip(8);
  const interfaceKind = await reader.u8();
  const clientRevision = await skipInterface(reader, revision, interfaceKind);
  if (hasFeature(revision, 'quota key in client info')) await reader.skipString();
  if (hasFeature(revision, 'distributed depth')) await reader.varuint();
  if (interfaceKind === INTERFACE_TCP && hasFeature(revision, 'version patch')) await reader.varuint();
  await skipContexts(reader, revision);
  return { queryKind, ...(clientRevision && { revision: clientRevision }) };
}

async function skipInterface(reader: ByteReader, revision: number, interfaceKind: number): Promise<Span | undefined> {
  if (interfaceKind === INTERFACE_TCP) {
    // OS user, host name, client name; major and minor version.
    await reader.skipStrings(3);
    await reader.skipVaruints(2);
    const from = reader.position;
    await reader.varuint();
    return { from, to: reader.position };
  }
  if (interfaceKind === INTERFACE_HTTP) {
    await reader.u8();
    await reader.skipString();
    if (hasFeature(revision, 'x-forwarded-for')) await reader.skipString();
    if (hasFeature(revision, 'referer')) await reader.skipString();
  }
  return undefined;
}

async function skipContexts(reader: ByteReader, revision: number): Promise<void> {
  if (hasFeature(revision, 'open telemetry') && (await reader.u8()) !== 0) {
    await reader.skip(TRACE_CONTEXT_BYTES);
    await reader.skipString();
    await reader.u8();
  }
  if (hasFeature(revision, 'parallel replicas')) await reader.skipVaruints(3);
  if (hasFeature(revision, 'script position')) await reader.skipVaruints(2);
  if (hasFeature(revision, 'JWT in client info') && (await reader.u8()) !== 0) await reader.skipString();
  if (hasFeature(revision, 'client agent')) await reader.skipString();
  if (hasFeature(revision, 'internal query flag')) await reader.u8();
  if (hasFeature(revision, 'current roles') && (await reader.u8()) !== 0) {
    const roles = await reader.varuint();
    if (roles > MAX_ROLES) throw new ProtocolError('too many roles');
    await reader.skipStrings(roles);
  }
}
