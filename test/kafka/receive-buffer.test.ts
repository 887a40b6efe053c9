import test from 'ava';
import { ReceiveBuffer } from '../../src/kafka/receive-buffer.ts';

function answer(text: string): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(text.length);
  return Buffer.concat([size, Buffer.from(text)]);
}

function collect(): { buffer: ReceiveBuffer; answers: string[]; views: Buffer[] } {
  const [answers, views] = [[] as string[], [] as Buffer[]];
  const buffer = new ReceiveBuffer((bytes) => {
    answers.push(bytes.subarray(4).toString());
    views.push(bytes);
  });
  return { buffer, answers, views };
}

test('answers come out whole however the bytes were cut', (t) => {
  const bytes = Buffer.concat([answer('one'), answer(''), answer('three'), answer('x'.repeat(9000))]);
  for (const size of [1, 2, 3, 4, 5, 7, 8, 4096, bytes.length]) {
    const { buffer, answers } = collect();
    for (let start = 0; start < bytes.length; start += size) buffer.add(bytes.subarray(start, start + size));
    t.deepEqual(answers, ['one', '', 'three', 'x'.repeat(9000)], `${size} bytes at a time`);
  }
});

test('an answer uses the bytes of the last one, unless these are kept', (t) => {
  const { buffer, views } = collect();
  buffer.add(answer('one'));
  buffer.add(answer('two'));
  t.is(views[0]?.subarray(4).toString(), 'two');
  buffer.renew();
  buffer.add(answer('six'));
  t.is(views[1]?.subarray(4).toString(), 'two');
  t.is(views[2]?.subarray(4).toString(), 'six');
});

test('keeping bytes in the middle of an answer loses none of it', (t) => {
  const { buffer, answers } = collect();
  buffer.add(answer('one').subarray(0, 6));
  buffer.renew();
  buffer.add(answer('one').subarray(6));
  t.deepEqual(answers, ['one']);
});

test('a new connection begins with a new answer', (t) => {
  const { buffer, answers } = collect();
  buffer.add(answer('lost').subarray(0, 6));
  buffer.reset();
  buffer.add(answer('kept'));
  t.deepEqual(answers, ['kept']);
});

test('what does not speak Kafka is refused before memory is taken for it', (t) => {
  const { buffer } = collect();
  t.throws(
    () => {
      buffer.add(Buffer.from('HTTP/1.1 400 Bad Request'));
    },
    { instanceOf: RangeError, message: 'the broker announces an answer of 1213486164 bytes' },
  );
});
