import test from 'ava';
import { compressFrame, decompressFrame, ProtocolError } from '../../src/protocol/index.ts';
import { hex } from './helpers/cuts.ts';

// As captured from clients and servers.
const FRAMES = {
  'LZ4, literals only': {
    frame: 'a783ac6cd55c7a7cb5ac46bddb86e214 82140000000a000000 a0010002ffffffff000000',
    data: '010002ffffffff000000',
  },
  'LZ4 with a match': {
    frame:
      'c6cb6e37109deb1ac95866316fae86e3 823100000029000000 f20c010002ffffffff00010207636f756e7428290655496e74363406000100800600000000000000',
    data: '010002ffffffff00010207636f756e7428290655496e74363406000000000000000600000000000000',
  },
  ZSTD: {
    frame: '90ced47c8d4e82f9aeb0fb84d3bc38d2 901c0000000a000000 28b52ffd200a510000010002ffffffff000000',
    data: '010002ffffffff000000',
  },
  None: {
    frame: 'd1f2e92e13618ea81c0f8847a1d099f7 022e00000025000000 010002ffffffff0300000200066e756d6265720655496e74363400017306537472696e6700',
    data: '010002ffffffff0300000200066e756d6265720655496e74363400017306537472696e6700',
  },
};

for (const [name, { frame, data }] of Object.entries(FRAMES)) {
  test(`a frame is unfolded: ${name}`, (t) => {
    t.is(decompressFrame(hex(frame)).toString('hex'), hex(data).toString('hex'));
  });

  test(`a frame with any byte changed is refused: ${name}`, (t) => {
    for (let at = 0; at < hex(frame).length; at += 1) {
      const broken = hex(frame);
      broken[at] = (broken[at] ?? 0) ^ 0x55;
      t.throws(() => decompressFrame(broken), { instanceOf: ProtocolError }, `byte ${at}`);
    }
  });
}

for (const method of ['None', 'LZ4'] as const) {
  test(`what is put into a frame comes out again: ${method}`, (t) => {
    for (const data of [
      Buffer.from('a'),
      Buffer.alloc(100_000, 'abc'),
      Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * i) % 251)),
    ]) {
      t.deepEqual(decompressFrame(compressFrame(data, method)), data);
    }
  });
}

test('a frame that says it holds more than it does is refused', (t) => {
  const frame = compressFrame(Buffer.from('abc'), 'None');
  t.throws(() => decompressFrame(frame.subarray(0, -1)), { instanceOf: ProtocolError });
});
