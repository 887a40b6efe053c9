/** Raw headers as Node gives them: name, value, name, value, in the order and spelling of the wire. */
export type RawHeaders = readonly string[];

/** The headers whose lower-case name `keep` accepts, as they were. */
export function filterHeaders(raw: RawHeaders, keep: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (keep(name.toLowerCase())) kept.push(name, raw[i + 1] ?? '');
  }
  return kept;
}
