import type { AnswerHead, WholeAnswer } from '../../clickhouse/index.ts';

/** Figures of an INSERT's summary that count the rows it wrote. */
const COUNTS = /"(read_rows|written_rows|result_rows)":"(\d+)"/g;

/** Adds rows that the server does not know of to the summary in an answer's head. */
export function withWrittenRows(rows: number): (head: AnswerHead) => AnswerHead {
  const counted = (summary: string): string =>
    summary.replace(COUNTS, (_, name: string, known: string) => `"${name}":"${Number(known) + rows}"`);
  return (head) => ({
    ...head,
    rawHeaders: head.rawHeaders.map((text, i) =>
      head.rawHeaders[i - 1]?.toLowerCase() === 'x-clickhouse-summary' && i % 2 === 1 ? counted(text) : text,
    ),
  });
}

/** What was asked for has happened, whatever the server has against being told of it. */
export function successAfterAll({ head }: WholeAnswer): WholeAnswer {
  const kept = head.rawHeaders.flatMap((name, i) => {
    const isKept = i % 2 === 0 && !OF_FAILURES.has(name.toLowerCase());
    return isKept ? [name, head.rawHeaders[i + 1] ?? ''] : [];
  });
  return { head: { status: 200, reason: 'OK', rawHeaders: [...kept, 'Content-Length', '0'] }, body: Buffer.alloc(0) };
}

const OF_FAILURES: ReadonlySet<string> = new Set([
  'x-clickhouse-exception-code',
  'x-clickhouse-exception-tag',
  'x-clickhouse-format',
  'content-length',
  'transfer-encoding',
  'content-encoding',
]);
