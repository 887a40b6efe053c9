import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { PROBE_DELAY_MS, withReusedReads } from '../../sockets/index.ts';

/** The server's native port. */
export interface NativeUpstream {
  readonly host: string;
  readonly port: number;
  /** Present when the port speaks TLS (9440 by custom). */
  readonly tls?: {
    /** Certificate authorities in PEM, instead of the system's. */
    readonly ca?: string | Buffer;
    /** The name in the server's certificate; `host` when absent. */
    readonly servername?: string;
    /** False accepts any certificate; true when absent. */
    readonly rejectUnauthorized?: boolean;
  };
}

/** How much may wait in a socket for a slow peer before a sender that speaks TLS is paused: its pieces are small. */
export const SOCKET_BUFFER_BYTES = 512 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;

/** Opens a connection to the server; rejects with the system's error. */
export async function openUpstream(upstream: NativeUpstream): Promise<Socket> {
  const socket = upstream.tls === undefined ? openPlain(upstream) : openTls(upstream, upstream.tls);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${CONNECT_TIMEOUT_MS} ms`)), CONNECT_TIMEOUT_MS);
    socket.once(upstream.tls === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      resolve();
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
  return prepareSocket(socket);
}

function openPlain({ host, port }: NativeUpstream): Socket {
  return withReusedReads((onread) => connect({ host, port, onread }));
}

function openTls({ host, port }: NativeUpstream, tls: NonNullable<NativeUpstream['tls']>): Socket {
  const servername = tls.servername ?? host;
  const isName = !/^[\d.]+$|:/.test(servername);
  const options: ConnectionOptions & { highWaterMark: number } = {
    host,
    port,
    highWaterMark: SOCKET_BUFFER_BYTES,
    ...(isName ? { servername } : {}),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: tls.rejectUnauthorized }),
  };
  return connectTls(options);
}

/** Small packets go out at once, dead peers are noticed, and an error is only ever a closed connection. */
export function prepareSocket(socket: Socket): Socket {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, PROBE_DELAY_MS);
  socket.on('error', () => {
    // 'close' follows and says enough.
  });
  return socket;
}
