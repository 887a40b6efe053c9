import { createServer } from 'node:net';

// Below the kernel's ephemeral range (from 32768), so that no outgoing connection takes the port between the check and its use.
const FIRST_PORT = 20_000;
const PORT_COUNT = 12_000;

// A gateway has several ports, and refuses to have one of them twice.
const given = new Set<number>();

/** A TCP port of 127.0.0.1 that nobody listens on at the moment of the answer, and that this process was not given before. Two processes at once may, rarely, get the same one. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
