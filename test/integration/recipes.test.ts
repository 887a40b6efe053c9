import { readFileSync } from 'node:fs';
import test from 'ava';
import { codeBlocks } from '../fixtures/markdown.ts';
import { useStream } from '../helpers/stream.ts';

/** Recipes with the names of their own in the text: each stands for one of the test. */
const RECIPES = [
  { name: 'upsert', topic: 'customers', group: 'customers_group' },
  { name: 'debezium', topic: 'shop.public.orders', group: 'orders_group' },
];

for (const { name, topic, group } of RECIPES) {
  test.serial(`the recipe examples/${name} leads to the answer it shows`, async (t) => {
    const stream = await useStream(t);
    const text = readFileSync(`examples/${name}/README.md`, 'utf8');
    const [messages = '', expected = ''] = codeBlocks(text, 'text');
    await stream.kafka.produce(
      stream.topic,
      messages.split('\n').map((line) => {
        const [, key = '', value = ''] = /^(.*?)\|(.*)$/.exec(line) ?? [];
        return { key, value: value === '' ? null : value };
      }),
    );
    const own = { "'broker:9092'": `'${stream.kafka.brokers}'`, [`'${topic}'`]: `'${stream.topic}'`, [`'${group}'`]: `'${stream.group}'` };
    const statements = codeBlocks(text, 'sql').map((sql) =>
      Object.entries(own).reduce((replaced, [from, to]) => replaced.replaceAll(from, to), sql),
    );
    const select = statements.pop() ?? '';
    await stream.sql(...statements);
    await stream.answers(select, expected);
  });
}
