import test from 'ava';
import { clickhouseError } from '../../src/errors.ts';
import type { Part } from '../../src/producing/position.ts';
import { Waiters } from '../../src/producing/waiters.ts';

const part = (uuid: string): Part => ({ name: uuid, uuid, block: 0, rows: 1, bytes: 1, insertedAtMs: 0 });
const [A, B, C] = [part('a'), part('b'), part('c')];
const late = () => clickhouseError('TIMEOUT_EXCEEDED', 'too late');
const never = new AbortController().signal;

test('an INSERT is answered when all that it waits for is sent', async (t) => {
  const waiters = new Waiters();
  let isDone = false;
  const waiting = waiters.wait([A, B], { signal: never, late }).then(() => (isDone = true));
  waiters.stillWaiting([B, C]);
  await Promise.resolve();
  t.false(isDone);
  waiters.stillWaiting([C]);
  t.true(await waiting);
  t.true(waiters.isEmpty);
});

test('an INSERT of nothing waits for nothing', async (t) => {
  await t.notThrowsAsync(new Waiters().wait([], { signal: never, late }));
});

test('an INSERT that waited long enough hears so', async (t) => {
  const waiters = new Waiters();
  const deadline = new AbortController();
  const waiting = waiters.wait([A], { signal: deadline.signal, late });
  deadline.abort();
  t.is((await t.throwsAsync(waiting)).message, late().message);
  await t.throwsAsync(waiters.wait([A], { signal: deadline.signal, late }));
  t.true(waiters.isEmpty);
});

test('who waits for a part that cannot be sent hears why, the others wait on', async (t) => {
  const waiters = new Waiters();
  const [first, second] = [waiters.wait([A], { signal: never, late }), waiters.wait([B], { signal: never, late })];
  waiters.fail(() => clickhouseError('ABORTED', 'too large'), A);
  await t.throwsAsync(first, { message: /too large/ });
  t.false(waiters.isEmpty);
  waiters.stillWaiting([]);
  await t.notThrowsAsync(second);
});

test("a part that was inserted before an INSERT began is waited for, but its failure is not that INSERT's", async (t) => {
  const waiters = new Waiters();
  const [before, own] = [
    { ...A, block: 7 },
    { ...B, block: 8 },
  ];
  const waiting = waiters.wait([before, own], { since: 7, signal: never, late });
  waiters.fail(() => clickhouseError('ABORTED', 'too large'), before);
  t.false(waiters.isEmpty);
  waiters.stillWaiting([]);
  await t.notThrowsAsync(waiting);
});

test('all hear it when nothing can be sent', async (t) => {
  const waiters = new Waiters();
  const waiting = [waiters.wait([A], { signal: never, late }), waiters.wait([B, C], { signal: never, late })];
  waiters.fail(() => clickhouseError('ABORTED', 'no such topic'));
  for (const one of waiting) await t.throwsAsync(one, { message: /no such topic/ });
});
