/**
 * Durations and byte sizes as people write them in settings. Both parsers take the text whole (blanks around it are ignored)
 * and return undefined for anything else than one non-negative number with a known unit.
 */
const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** ClickHouse's reading: `K M G` and `KiB MiB GiB` count in 1024s, `KB MB GB` in 1000s. */
const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

const NUMBER_AND_UNIT = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i;

/** `500ms`, `7.5s`, `2m`, `1h`; a plain number is milliseconds. Rounded to whole milliseconds. */
export function parseDurationMs(text: string): number | undefined {
  return parseQuantity(text, MS_PER_UNIT, 'ms');
}

/** `192MiB`, `64MB`, `512K`; a plain number is bytes. Rounded to whole bytes. */
export function parseByteSize(text: string): number | undefined {
  return parseQuantity(text, BYTES_PER_UNIT, 'b');
}

/** The largest binary unit that shows the size exactly: `192MiB`, `1500`. */
export function formatByteSize(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
  ] as const) {
    if (bytes > 0 && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

/** The largest unit that shows the duration exactly: `30s`, `500ms`. */
export function formatDuration(ms: number): string {
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const) {
    if (ms > 0 && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

function parseQuantity(text: string, sizes: Readonly<Record<string, number>>, plainUnit: string): number | undefined {
  const match = NUMBER_AND_UNIT.exec(text.trim());
  if (!match) return undefined;
  const [, digits = '', unit = ''] = match;
  const size = sizes[(unit || plainUnit).toLowerCase()];
  if (size === undefined) return undefined;
  const value = Math.round(Number(digits) * size);
  return Number.isSafeInteger(value) ? value : undefined;
}
