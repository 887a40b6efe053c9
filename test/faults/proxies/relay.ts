import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** One client's connection and the server's end of it. */
export interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** True while the client's end of the connection must not reach the server: what it has sent will be delivered though it is gone. */
  outlivesClient: boolean;
  /** Ends both at once, with a reset. */
  cut(): void;
}

/** What looks at the bytes on their way. It writes to the other side whatever shall arrive there. */
export interface Inspector {
  fromClient(bytes: Buffer): void;
  fromServer(bytes: Buffer): void;
  closed?(): void;
}

/** A TCP proxy on a port of 127.0.0.1 that can be told to harm what passes. */
export interface Relay {
  readonly port: number;
  /** Cuts each connection with this probability; how many it were. */
  readonly cut: (hits: () => boolean) => number;
  readonly close: () => void;
}

/** Listens on `port`; every connection is made on to `serverPort` of 127.0.0.1 and looked at by an inspector of its own. */
export async function startRelay(port: number, serverPort: number, inspect: (link: Link) => Inspector): Promise<Relay> {
  const links = new Set<Link>();
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = connect({ port: serverPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const link: Link = {
      client,
      server,
      outlivesClient: false,
      cut: () => {
        client.resetAndDestroy();
        server.resetAndDestroy();
      },
    };
    links.add(link);
    join(link, inspect(link), () => links.delete(link));
  });
  listener.listen(port, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port,
    cut: (hits) => {
      const hit = [...links].filter(hits);
      for (const link of hit) link.cut();
      return hit.length;
    },
    close: () => {
      for (const link of links) link.cut();
      listener.close();
    },
  };
}

function join(link: Link, inspector: Inspector, onClose: () => void): void {
  const { client, server } = link;
  client.on('data', (bytes: Buffer) => inspector.fromClient(bytes));
  server.on('data', (bytes: Buffer) => inspector.fromServer(bytes));
  client.on('end', () => {
    if (!link.outlivesClient) server.end();
  });
  server.on('end', () => client.end());
  // Whoever is gone takes the other side along; errors are what this program is for.
  client.on('error', () => undefined);
  server.on('error', () => undefined);
  client.once('close', () => {
    if (!link.outlivesClient) server.destroy();
  });
  server.once('close', () => {
    client.destroy();
    inspector.closed?.();
    onClose();
  });
}
