import type { AnswerHead } from '../../clickhouse/index.ts';

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
