import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { deadline, pause } from '../src/pauses.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('a deadline ends what waits for it, also when memory was cleaned up meanwhile', async (t) => {
  const others = new AbortController();
  const reasons: string[] = [];
  for (const signals of [[], [others.signal], [new AbortController().signal, AbortSignal.any([others.signal])]]) {
    const signal = AbortSignal.any([deadline(300, ...signals), others.signal]);
    signal.addEventListener('abort', () => reasons.push((signal.reason as Error).name));
  }
  await pause(50, others.signal);
  collectGarbage();
  await pause(600, others.signal);
  t.deepEqual(reasons, ['TimeoutError', 'TimeoutError', 'TimeoutError']);
});

test('a deadline is aborted with the first of the signals given, for its reason', (t) => {
  const other = new AbortController();
  const signal = deadline(60_000, other.signal);
  t.false(signal.aborted);
  other.abort(new Error('gone'));
  t.is((signal.reason as Error).message, 'gone');
});
