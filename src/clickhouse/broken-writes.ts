import type { Duplex } from 'node:stream';

type WriteDone = (error?: Error | null) => void;

/**
 * A server that answers in the middle of a body (a wrong password, an unknown table) and closes makes our next write fail, and Node then throws away
 * the answer that has already come. So a broken write counts as done: what was lost shows on the reading side, after the answer.
 */
export function readOnAfterBrokenWrites(socket: Duplex): void {
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  socket._write = (chunk, encoding, done) => {
    write(chunk, encoding, unlessBroken(done));
  };
  if (writev !== undefined) {
    socket._writev = (chunks, done) => {
      writev(chunks, unlessBroken(done));
    };
  }
}

function unlessBroken(done: WriteDone): WriteDone {
  return (error) => {
    const code = (error as NodeJS.ErrnoException | null | undefined)?.code;
    done(code === 'EPIPE' || code === 'ECONNRESET' ? null : error);
  };
}
