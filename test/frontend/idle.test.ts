import test from 'ava';
import { openFiles, residentBytes } from '../bench/process-usage.ts';
import { useGateway } from '../helpers/gateway.ts';
import { waitFor } from '../helpers/index.ts';
import { send } from './http/helpers/exchange.ts';
import { IDLE_PROTOCOLS, openIdleConnections } from '../parts/idle-connections.ts';

const CONNECTIONS = 1_000;
const WARM_UP_CONNECTIONS = 200;
// `npm run bench:idle` measures with ten times as many; here what is garbage counts, too.
const MAX_BYTES_EACH = 60 * 1024;

for (const protocol of IDLE_PROTOCOLS) {
  test(`a thousand idle ${protocol} connections cost little and are given back`, async (t) => {
    const gateway = await useGateway(t);
    const port = protocol === 'http' ? gateway.httpPort : gateway.nativePort;
    const filesBefore = openFiles(gateway.pid);
    const warmUp = await openIdleConnections(protocol, port, WARM_UP_CONNECTIONS);
    await warmUp.close();

    const bytesBefore = residentBytes(gateway.pid);
    const idle = await openIdleConnections(protocol, port, CONNECTIONS);
    const bytesEach = (residentBytes(gateway.pid) - bytesBefore) / CONNECTIONS;
    t.log(`${(bytesEach / 1024).toFixed(1)} KiB a connection`);
    t.true(bytesEach < MAX_BYTES_EACH, `${bytesEach} bytes a connection`);
    t.is((await send(gateway.url, { target: '/?query=SELECT+1' })).body.toString(), '1\n');
    t.is(idle.open(), CONNECTIONS);
    await idle.close();
    await waitFor(() => openFiles(gateway.pid) <= filesBefore, { message: 'as many open files as before' });
    t.is((await send(gateway.url, { target: '/?query=SELECT+1' })).body.toString(), '1\n');
  });
}
