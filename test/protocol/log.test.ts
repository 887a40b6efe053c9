import test from 'ava';
import { BufferReader, SERVER_PACKETS, skipBlock, skipServerPacket, writeLog } from '../../src/protocol/index.ts';

const LINE = { atMs: 1_795_324_360_250, hostName: 'h', queryId: 'q', threadId: 7, priority: 4, source: 'Sluice', text: 'naïve "text"' };

for (const revision of [54406, 54412, 54441, 54454, 54480, 54481, 54488]) {
  for (const isCompressed of [false, true]) {
    test(`a line of a log is a packet that can be read at revision ${revision}${isCompressed ? ', compressed' : ''}`, async (t) => {
      const packet = writeLog(LINE, { revision, isCompressed }) ?? Buffer.alloc(0);
      const walked = new BufferReader(packet);
      t.is(await walked.varuint(), SERVER_PACKETS.Log);
      t.is((await skipServerPacket(walked, SERVER_PACKETS.Log, { revision, isCompressed }))?.rows, 1);
      t.is(walked.position, packet.length);

      const columns: string[] = [];
      const encoding = { revision, isCompressed: isCompressed && revision >= 54481 };
      await skipBlock(new BufferReader(packet.subarray(2)), encoding, ({ name, type }) => columns.push(`${name} ${type}`));
      t.deepEqual(columns, [
        'event_time DateTime',
        'event_time_microseconds UInt32',
        'host_name String',
        'query_id String',
        ...(revision < 54441 ? ['thread_number UInt32'] : []),
        'thread_id UInt64',
        'priority Int8',
        'source String',
        'text String',
      ]);
      if (!isCompressed) t.true(packet.includes(LINE.text));
    });
  }
}

test('a client that knows no such packet gets none', (t) => {
  t.is(writeLog(LINE, { revision: 54405, isCompressed: false }), undefined);
});
