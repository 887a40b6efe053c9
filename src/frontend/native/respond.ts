import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { ERROR_CODES, ClickHouseException } from '../../errors.ts';
import { writeException, writeLog, type BlockEncoding, type ExceptionPacket } from '../../protocol/index.ts';

const CLASS_NAME = 'DB::Exception';

/** An exception as the server writes it into a packet: without its name and version, which clients add. */
export function exceptionPacket(exception: ClickHouseException): Buffer {
  return writeException({ code: exception.code, className: CLASS_NAME, message: `${CLASS_NAME}: ${exception.text}` });
}

/** The server's exception with its words changed. */
export function renamedException({ message, ...exception }: ExceptionPacket, shown: (text: string) => string): Buffer {
  return writeException({ ...exception, message: shown(message) });
}

const WARNING = 4;

/** A line of the server's log, which clients show or keep beside the answer; nothing for clients that know no such packet. */
export function noticePacket(text: string, encoding: BlockEncoding): Buffer {
  const line = { atMs: Date.now(), hostName: hostname(), queryId: '', threadId: process.pid, priority: WARNING, source: 'Sluice', text };
  return writeLog(line, encoding) ?? Buffer.alloc(0);
}

const NAME_OF_CODE: ReadonlyMap<number, string> = new Map(Object.entries(ERROR_CODES).map(([name, code]) => [code, name]));

/** What the server answered, for others to read. A packet has no error name: those that the gateway does not use itself are left out. */
export function fromPacket({ code, className, message }: ExceptionPacket): ClickHouseException {
  const text = message.startsWith(`${className}: `) ? message.slice(className.length + 2) : message;
  return new ClickHouseException(code, NAME_OF_CODE.get(code) ?? 'UNKNOWN_EXCEPTION', text);
}

/** Tells the client and closes its connection. */
export function sendException(socket: Socket, exception: ClickHouseException): void {
  if (socket.writable) socket.write(exceptionPacket(exception));
  socket.destroySoon();
}

/** What the server says to a browser that knocks at the native port. Source: ClickHouse `src/Server/TCPHandler.cpp`. */
export function refuseWrongPort(socket: Socket, httpPort: number | undefined): void {
  const advice = httpPort === undefined ? '' : `You must use port ${httpPort} for HTTP.\r\n`;
  socket.write(`HTTP/1.0 400 Bad Request\r\n\r\nPort ${socket.localPort ?? 0} is for clickhouse-client program\r\n${advice}`);
  socket.destroySoon();
}
