import { httpStatusOf, renderException, type AnswerHead, type AnswerOptions, type WholeAnswer } from '../../clickhouse/index.ts';
import { ClickHouseException } from '../../errors.ts';
import { compressFrame } from '../../protocol/index.ts';
import type { ClientSession } from '../../query/index.ts';
import { decodePrefix, isKnownEncoding } from './body-coding.ts';
import { findParameter } from './parameters.ts';
import { errorHeaders, reasonOf } from './refusal.ts';
import { isTrue } from './request.ts';

/** Answers with the exception by which a statement failed after the server had carried it out, in the shape of the server's own. `target`: the client's. */
export function failureAnswer(target: string, session: ClientSession): NonNullable<AnswerOptions['failed']> {
  return async (reason, head, isBegun) => {
    if (!(reason instanceof ClickHouseException)) throw reason;
    const status = isBegun ? head.status : httpStatusOf(reason.code);
    const text = `${renderException(reason, await versionOf(session))}\n`;
    const rawHeaders = errorHeaders(head.rawHeaders, reason.code, (_name, value) => value);
    return withText({ status, reason: isBegun ? head.reason : reasonOf(status), rawHeaders }, text, target);
  };
}

async function versionOf(session: ClientSession): Promise<string | undefined> {
  try {
    const [[version] = []] = await session.query('SELECT version()');
    return version;
  } catch {
    return undefined;
  }
}

/** Changes the texts of the server's exceptions by `shown`; one that cannot be read passes as it is. */
export function exceptionRewriter(target: string, shown: (text: string) => string): NonNullable<AnswerOptions['rewriteException']> {
  return (answer) => {
    const text = textOf(answer, target);
    const changed = text === undefined ? undefined : shown(text);
    return changed === undefined || changed === text ? answer : withText(answer.head, changed, target);
  };
}

function textOf({ head, body }: WholeAnswer, target: string): string | undefined {
  const encoding = head.rawHeaders.find((_, i) => i % 2 === 1 && head.rawHeaders[i - 1]?.toLowerCase() === 'content-encoding') ?? '';
  if (encoding !== '' && !isKnownEncoding(encoding)) return undefined;
  try {
    return decodePrefix({ encoding, nativeBlocks: wantsBlocks(target) }, body, Infinity).toString();
  } catch {
    return undefined;
  }
}

/** Everybody can read a body without encoding; blocks are what the client asked for in so many words. */
function withText(head: AnswerHead, text: string, target: string): WholeAnswer {
  const plain = Buffer.from(text);
  const body = wantsBlocks(target) ? compressFrame(plain, 'LZ4') : plain;
  const rawHeaders: string[] = [];
  for (let i = 0; i < head.rawHeaders.length; i += 2) {
    const [name = '', value = ''] = head.rawHeaders.slice(i, i + 2);
    const lower = name.toLowerCase();
    if (lower !== 'content-encoding') rawHeaders.push(name, lower === 'content-length' ? String(body.length) : value);
  }
  return { head: { ...head, rawHeaders }, body };
}

/** The answer's body is to be in the server's own compressed blocks. */
function wantsBlocks(target: string): boolean {
  return isTrue(findParameter(target, 'compress'));
}
