import test from 'ava';
import { checkKafkajsVersion } from '../../src/kafka/raw-fetch.ts';

test('the installed kafkajs is the one whose inner parts are known', (t) => {
  t.notThrows(() => {
    checkKafkajsVersion();
  });
});

test('another kafkajs is refused by its version', (t) => {
  t.throws(
    () => {
      checkKafkajsVersion('2.3.0');
    },
    { message: 'kafkajs 2.3.0 is installed, but reading record batches from it is only known to work with 2.2.4' },
  );
});
