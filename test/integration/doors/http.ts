import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { ExecutionContext } from 'ava';
import { parseException } from '../../../src/clickhouse/index.ts';
import { send, type TestAnswer, type TestRequest } from '../../frontend/http/helpers/exchange.ts';
import type { Answer, Column, Door, DoorOptions, Question, Rows } from './door.ts';

/** A client of the HTTP interface that keeps its connection; closed when the test ends. */
export async function useHttpDoor(t: ExecutionContext, url: string, options: DoorOptions): Promise<Door> {
  const { database, user = 'default', password = '', hasSession = false } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => {
    agent.destroy();
  });
  const identity = { 'X-ClickHouse-User': user, 'X-ClickHouse-Key': password };
  const place = hasSession ? { session_id: randomUUID() } : { database };
  const ask = async (question: Question): Promise<Answer> => readAnswer(await send(url, requestOf(question, place, identity), agent));
  if (hasSession) await ask({ sql: `USE ${database}` });
  return {
    name: 'HTTP',
    ask,
    start: async (question) => {
      const { method, target: path, headers, body } = requestOf(question, place, identity);
      const sent = request(url, { method, path, headers, agent: false });
      sent.on('error', () => undefined).end(body);
      await once(sent, 'finish');
      const leave = (): void => void sent.destroy();
      return { leave, cancel: async () => Promise.resolve(leave()) };
    },
  };
}

function requestOf(question: Question, place: Record<string, string>, headers: Record<string, string>) {
  const { sql, settings = {}, parameters = {}, queryId, rows, table } = question;
  const named = Object.entries(parameters).map(([name, value]) => [`param_${name}`, value] as const);
  const search = new URLSearchParams({ default_format: 'JSONCompactStrings', ...place, ...settings, ...Object.fromEntries(named) });
  if (queryId !== undefined) search.set('query_id', queryId);
  const post = (body: string | Buffer, more: Record<string, string> = {}) =>
    ({ method: 'POST', target: `/?${search.toString()}`, headers: { ...headers, ...more }, body }) satisfies TestRequest;
  if (rows !== undefined) {
    search.set('query', `${String(sql)} FORMAT JSONCompactEachRow`);
    return post(jsonRows(rows));
  }
  if (table !== undefined) {
    search.set('query', String(sql));
    search.set(`${table.table}_structure`, `${table.name} String`);
    search.set(`${table.table}_format`, 'JSONCompactEachRow');
    const field = `Content-Disposition: form-data; name="${table.table}"; filename="rows"`;
    return post(`--b\r\n${field}\r\n\r\n${jsonRows(table)}\r\n--b--\r\n`, { 'Content-Type': 'multipart/form-data; boundary=b' });
  }
  return post(sql);
}

function jsonRows({ values }: Column): string {
  return values.map((value) => `${JSON.stringify([value])}\n`).join('');
}

interface Json {
  readonly data: Rows;
  readonly totals?: readonly string[];
  readonly extremes?: { readonly min: readonly string[]; readonly max: readonly string[] };
}

function readAnswer({ status, body, isCutOff }: TestAnswer): Answer {
  const text = body.toString();
  const empty = { rows: [], totals: [], extremes: [] };
  if (status !== 200 || isCutOff) {
    const exception = parseException(isCutOff ? lateException(text) : text);
    if (exception === undefined) throw new Error(`HTTP ${status}, ${isCutOff ? 'cut off' : 'whole'}: ${text.slice(-1000)}`);
    return { ...empty, refusal: { code: exception.code, text: exception.text } };
  }
  if (text === '') return empty;
  const { data, totals, extremes } = JSON.parse(text) as Json;
  const answer = { rows: data, totals: totals ? [totals] : [], extremes: extremes ? [extremes.min, extremes.max] : [] };
  return text.includes(JSON_NULL) ? withNulls(answer) : answer;
}

/** What the server writes behind the rows that it has sent: `__exception__`, a tag, the text, its length and the tag, `__exception__`. */
function lateException(text: string): string {
  return /__exception__\r\n\w+\r\n([^]*)\n\d+ \w+\r\n__exception__\r\n$/.exec(text)?.[1] ?? '';
}

const JSON_NULL = 'ᴺᵁᴸᴸ';

function withNulls({ rows, totals, extremes }: Answer): Answer {
  const table = (of: Rows): Rows => of.map((row) => row.map((value) => (value === JSON_NULL ? '\\N' : value)));
  return { rows: table(rows), totals: table(totals), extremes: table(extremes) };
}
