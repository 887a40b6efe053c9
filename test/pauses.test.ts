import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { getEventListeners } from 'node:events';
import test from 'ava';
import { pause, untilAborted, withAnyOf, withDeadline } from '../src/pauses.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const reasonOf = (work: (wait: (signal: AbortSignal) => Promise<Error>) => Promise<Error>): Promise<Error> =>
  work(async (signal) => untilAborted(signal).then(() => signal.reason as Error));

test('a deadline ends what waits for it, also when memory was cleaned up meanwhile', async (t) => {
  const others = new AbortController();
  const waiting = [[], [others.signal], [new AbortController().signal, undefined]].map(async (signals) =>
    reasonOf(async (wait) => withDeadline(300, signals, async (signal) => withAnyOf([signal, others.signal], wait))),
  );
  await pause(50, others.signal);
  collectGarbage();
  t.deepEqual(
    (await Promise.all(waiting)).map(({ name }) => name),
    ['TimeoutError', 'TimeoutError', 'TimeoutError'],
  );
});

test('a deadline is aborted with the first of the signals given, for its reason', async (t) => {
  const other = new AbortController();
  const waiting = reasonOf(async (wait) => withDeadline(60_000, [other.signal], wait));
  other.abort(new Error('gone'));
  t.is((await waiting).message, 'gone');
  t.is((await reasonOf(async (wait) => withAnyOf([new AbortController().signal, other.signal], wait))).message, 'gone');
});

test('what is over leaves nothing behind at a signal that lives longer', async (t) => {
  const { signal } = new AbortController();
  await pause(1, signal, new AbortController().signal);
  t.is(await withDeadline(60_000, [signal], async () => Promise.resolve('done')), 'done');
  await t.throwsAsync(
    withAnyOf([signal], async () => Promise.reject(new Error('failed'))),
    { message: 'failed' },
  );
  t.deepEqual(getEventListeners(signal, 'abort'), []);
});
