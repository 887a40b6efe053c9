import { connect } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import test from 'ava';
import { compressFrameSync } from 'lz4-napi';
import { residentBytes } from '../bench/process-usage.ts';
import { useGateway } from '../helpers/gateway.ts';
import { send } from './http/helpers/exchange.ts';

const MIB = 1024 * 1024;
const MOST_GROWTH_BYTES = 400 * MIB;
const ATTACKS = 12;

/** A comment that never ends, and a statement of ours that is far too long. */
const texts = [Buffer.alloc(300 * MIB, '/* '), Buffer.concat([Buffer.from('CREATE TABLE t ('), Buffer.alloc(200 * MIB, 'a Int8, ')])];
const encoders: Readonly<Record<string, (text: Buffer) => Buffer>> = {
  gzip: (text) => gzipSync(text, { level: 1 }),
  deflate: (text) => deflateSync(text, { level: 1 }),
  lz4: compressFrameSync,
};

test.serial('bombs in statements neither take the memory nor the time of others', async (t) => {
  const gateway = await useGateway(t);
  t.is((await send(gateway.url, { target: '/?query=SELECT+1' })).body.toString(), '1\n');
  const before = residentBytes(gateway.pid);
  let most = before;
  const sampling = setInterval(() => (most = Math.max(most, residentBytes(gateway.pid))), 50);
  t.teardown(() => clearInterval(sampling));
  for (const [encoding, encode] of Object.entries(encoders)) {
    for (const text of texts) {
      const body = encode(text);
      // What becomes of them is the server's answer; some close the connection.
      const attacks = Array.from({ length: ATTACKS }, async () =>
        fetch(gateway.url, { method: 'POST', body: new Uint8Array(body), headers: { 'content-encoding': encoding } })
          .then((answer) => answer.arrayBuffer())
          .catch(() => undefined),
      );
      t.is((await send(gateway.url, { target: '/?query=SELECT+2' })).body.toString(), '2\n');
      await Promise.all(attacks);
    }
  }
  t.true(gateway.isRunning());
  t.log(`${Math.round((most - before) / MIB)} MiB more at most`);
  t.true(most - before < MOST_GROWTH_BYTES, `${most - before} bytes more`);
});

test.serial('heads without end and byte by byte take little, and the others are served', async (t) => {
  const gateway = await useGateway(t, {
    env: { SLUICE_MAX_REQUEST_HEAD_SIZE: '64KiB', SLUICE_RECEIVE_TIMEOUT_MS: '2s', SLUICE_MAX_CONNECTIONS: '600' },
  });
  const before = residentBytes(gateway.pid);
  const sockets = Array.from({ length: 500 }, () => {
    const socket = connect(gateway.httpPort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`GET / HTTP/1.1\r\n${`X-Long: ${'x'.repeat(1000)}\r\n`.repeat(60)}`);
    return socket;
  });
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  t.is((await send(gateway.url, { target: '/?query=SELECT+1' })).body.toString(), '1\n');
  await Promise.all(sockets.map(async (socket) => new Promise((resolve) => socket.once('close', resolve).resume())));
  t.true(residentBytes(gateway.pid) - before < 200 * MIB, `${residentBytes(gateway.pid) - before} bytes more`);
  t.is((await send(gateway.url, { target: '/?query=SELECT+1' })).body.toString(), '1\n');
});
