import type { ByteReader } from '../reader.ts';
import { hasFeature } from '../revisions.ts';

/** Goes to the end of what the client sends right after the server's Hello, which has no packet number. `revision` is the one agreed on. */
export async function skipAddendum(reader: ByteReader, revision: number): Promise<void> {
  if (hasFeature(revision, 'quota key in addendum')) await reader.skipString();
  if (hasFeature(revision, 'chunked framing')) {
    await reader.skipString();
    await reader.skipString();
  }
  if (hasFeature(revision, 'parallel replicas version')) await reader.varuint();
}
