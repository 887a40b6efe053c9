import type { Readable } from 'node:stream';
import { parseException } from './exception.ts';

/** What waits here at most before the server has to wait, in bytes. */
const MOST_WAITING_BYTES = 1024 * 1024;

/** An exception behind data that are already sent: at most 16 KiB of text (ClickHouse: `WriteBufferFromHTTPServerResponse`) between two marks and two tags. */
const MOST_EXCEPTION_BYTES = 17 * 1024;
const MARK = '__exception__\r\n';

/**
 * The bytes of an answer as they come; the server waits while nobody takes them. When the answer ends in an exception that is thrown, and no byte of its text is
 * answered; when it breaks off without one, what broke it. `tag` is the answer's `X-ClickHouse-Exception-Tag`. Destroys the body when its reader leaves early.
 */
export async function* answerBytes(body: Readable, tag: string | undefined): AsyncGenerator<Buffer, void, undefined> {
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let end: Error | 'whole' | undefined;
  let wake = (): void => undefined;
  const take = (chunk: Buffer): void => {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes > MOST_WAITING_BYTES) body.pause();
    wake();
  };
  const finish = (how: Error | 'whole'): void => {
    end ??= how;
    wake();
  };
  body.on('data', take);
  body.on('end', () => {
    finish('whole');
  });
  body.on('error', (error) => {
    // What came while the body was paused is still in it, and the exception may be there.
    for (let chunk = body.read() as Buffer | null; chunk !== null; chunk = body.read() as Buffer | null) waiting.push(chunk);
    finish(error);
  });
  body.on('close', () => {
    finish(new Error('the answer broke off'));
  });
  try {
    for (;;) {
      for (let first = waiting[0]; first !== undefined && waitingBytes - first.length >= MOST_EXCEPTION_BYTES; first = waiting[0]) {
        waiting.shift();
        waitingBytes -= first.length;
        yield first;
      }
      if (end !== undefined) break;
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      body.resume();
      await woken;
    }
    const exception = exceptionIn(waiting, tag);
    if (exception !== undefined) throw exception;
    if (end !== 'whole') throw end;
    yield* waiting;
  } finally {
    body.removeListener('data', take);
    if (end !== 'whole') body.destroy();
  }
}

function exceptionIn(tail: readonly Buffer[], tag: string | undefined): Error | undefined {
  if (tag === undefined) return undefined;
  const bytes = Buffer.concat(tail);
  const begin = bytes.indexOf(`${MARK}${tag}\r\n`);
  if (begin === -1) return undefined;
  const from = begin + MARK.length + tag.length + 2;
  const to = bytes.lastIndexOf('\n', bytes.length - MARK.length - 3);
  const text = bytes.toString('utf8', from, to > from ? to : bytes.length);
  return parseException(text) ?? new Error(text);
}
