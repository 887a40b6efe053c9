import type { Socket } from 'node:net';
import { ClickHouseException, clickhouseError } from '../../errors.ts';
import {
  CLIENT_PACKETS,
  MAX_REVISION,
  ProtocolError,
  readClientHello,
  readException,
  readServerHello,
  SERVER_PACKETS,
  skipAddendum,
  SSH_KEY_PREFIX,
  writeClientHello,
  writeServerHello,
  type ClientHello,
  type ServerHello,
} from '../../protocol/index.ts';
import { Flow } from './flow.ts';
import { refuseWrongPort, sendException } from './respond.ts';

/** A connection whose client the server has let in. */
export interface Login {
  readonly server: Flow;
  readonly upstream: Socket;
  /** The revision that both sides speak. */
  readonly revision: number;
  /** What the server was told when the client is newer than the gateway: the client must say the same of itself in its queries. */
  readonly loweredRevision?: number;
  /** Another server of a cluster with a secret of theirs: its queries are signed, nothing may be changed. */
  readonly isInterserver: boolean;
}

export interface LoginOptions {
  readonly openUpstream: () => Promise<Socket>;
  /** For the sentence that tells an HTTP client of its mistake. */
  readonly httpPort?: number;
}

/**
 * Brings the client's Hello to the server and the server's answer to the client, each with a revision that the gateway knows, and without chunked framing.
 * Answers undefined when the client was not let in: it has been told why, and both connections are closed or about to be.
 */
export async function logIn(client: Flow, socket: Socket, options: LoginOptions): Promise<Login | undefined> {
  const hello = await receiveHello(client, socket, options);
  if (hello === undefined) return undefined;
  const upstream = await reachServer(socket, options);
  if (upstream === undefined) return undefined;
  client.connectTo(upstream);
  const server = new Flow(upstream, socket);
  closeTogether(socket, upstream);
  const isInterserver = hello.interserver !== undefined;
  const announced = isInterserver ? hello.revision : Math.min(hello.revision, MAX_REVISION);
  client.send(writeClientHello({ ...hello, revision: announced }));
  if (isInterserver) return { server, upstream, revision: announced, isInterserver };
  if (startsWith(hello.user, SSH_KEY_PREFIX) && !(await passChallenge(client, server, socket))) return undefined;
  const answer = await receiveServerHello(server, announced, socket);
  if (answer === undefined) return undefined;
  if (insistsOnChunks(answer)) {
    const text =
      "The server insists on chunked framing of the native protocol ('proto_caps' in its configuration), which the gateway does not speak";
    sendException(socket, clickhouseError('NOT_IMPLEMENTED', text));
    return undefined;
  }
  const revision = Math.min(announced, answer.revision);
  server.send(writeServerHello(adapted(answer)));
  client.pass();
  await skipAddendum(client, revision);
  return { server, upstream, revision, isInterserver, ...(announced < hello.revision && { loweredRevision: announced }) };
}

async function receiveHello(client: Flow, socket: Socket, options: LoginOptions): Promise<ClientHello | undefined> {
  const type = await client.u8();
  if (type === CLIENT_PACKETS.Hello) return checkHello(await readClientHello(client), socket);
  if (type === 'G'.charCodeAt(0) || type === 'P'.charCodeAt(0)) refuseWrongPort(socket, options.httpPort);
  else sendException(socket, new ClickHouseException(101, 'UNEXPECTED_PACKET_FROM_CLIENT', 'Unexpected packet from client'));
  return undefined;
}

/** A signature covers the revision, so that of an SSH key's owner cannot be lowered. */
function checkHello(hello: ClientHello, socket: Socket): ClientHello | undefined {
  if (hello.revision <= MAX_REVISION || !startsWith(hello.user, SSH_KEY_PREFIX)) return hello;
  const text = `Login by SSH key is supported by the gateway up to protocol revision ${MAX_REVISION}, the client has ${hello.revision}`;
  sendException(socket, clickhouseError('NOT_IMPLEMENTED', text));
  return undefined;
}

function startsWith(bytes: Buffer, prefix: string): boolean {
  return bytes.subarray(0, prefix.length).equals(Buffer.from(prefix));
}

async function reachServer(socket: Socket, options: LoginOptions): Promise<Socket | undefined> {
  try {
    const upstream = await options.openUpstream();
    if (!socket.destroyed) return upstream;
    upstream.destroy();
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    sendException(socket, clickhouseError('NETWORK_ERROR', `Cannot connect to ClickHouse (${reason})`, { cause: error }));
  }
  return undefined;
}

/** When one side goes, the other goes, too; a client first gets what is still on its way to it. */
function closeTogether(client: Socket, upstream: Socket): void {
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.destroySoon());
}

/** Proof of an SSH key: request, challenge, signature. False: the server has said no instead of a challenge, its words have been passed on. */
async function passChallenge(client: Flow, server: Flow, socket: Socket): Promise<boolean> {
  client.pass();
  await expectPacket(client, CLIENT_PACKETS.SSHChallengeRequest);
  client.flush();
  server.hold();
  const type = await server.u8();
  if (type === SERVER_PACKETS.Exception) {
    await passRefusal(server, socket);
    return false;
  }
  if (type !== SERVER_PACKETS.SSHChallenge) throw new ProtocolError(`unexpected packet ${type} during login by SSH key`);
  await server.skipString();
  server.pass();
  server.flush();
  await expectPacket(client, CLIENT_PACKETS.SSHChallengeResponse);
  await client.skipString();
  client.flush();
  return true;
}

async function expectPacket(flow: Flow, packet: number): Promise<void> {
  const type = await flow.u8();
  if (type !== packet) throw new ProtocolError(`unexpected packet ${type} during login by SSH key`);
}

/** The rest of an Exception packet, after which there is nothing more. */
async function passRefusal(server: Flow, socket: Socket): Promise<void> {
  await readException(server);
  server.relay();
  socket.end();
}

/** The server's Hello, or undefined when it said no: its words have been passed on. */
async function receiveServerHello(server: Flow, announced: number, socket: Socket): Promise<ServerHello | undefined> {
  server.hold();
  const type = await server.varuint();
  if (type === SERVER_PACKETS.Hello) {
    const hello = await readServerHello(server, announced);
    server.drop();
    return hello;
  }
  if (type !== SERVER_PACKETS.Exception) throw new ProtocolError(`unexpected packet ${type} from the server during login`);
  await passRefusal(server, socket);
  return undefined;
}

/** What the client is told: no revision that the gateway does not know, and no chunks, so that both sides agree on none. */
function adapted(hello: ServerHello): ServerHello {
  const revision = Math.min(hello.revision, MAX_REVISION);
  if (hello.framing === undefined) return { ...hello, revision };
  return { ...hello, revision, framing: { send: 'notchunked', receive: 'notchunked' } };
}

/** `chunked` without `_optional`, in either direction. */
function insistsOnChunks({ framing }: ServerHello): boolean {
  return framing?.send === 'chunked' || framing?.receive === 'chunked';
}
