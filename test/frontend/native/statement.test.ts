import test from 'ava';
import { isInsert, mayBeInsert } from '../../../src/frontend/native/statement.ts';

test('an INSERT is known by its first word', (t) => {
  for (const text of ['INSERT INTO t VALUES', ' \n insert into t', '/* c */ -- d\n INSERT INTO t']) {
    t.true(isInsert(text), text);
    t.true(mayBeInsert(text), text);
  }
  for (const text of ['SELECT 1', '/* INSERT */ SELECT 1', 'inserted', '', '/* INSERT']) t.false(isInsert(text), text);
});

test('WITH may lead to an INSERT', (t) => {
  t.true(mayBeInsert('WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x'));
  t.false(mayBeInsert('WITH x AS (SELECT 1) SELECT * FROM x'));
});

test('many comments in front take no longer than few', (t) => {
  const started = Date.now();
  t.false(mayBeInsert(`${'/**/'.repeat(1000)}SELECT 1`));
  t.true(Date.now() - started < 500);
});
