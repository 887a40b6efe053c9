import type { Broker } from 'kafkajs';
import { knownOperations } from './operations.ts';
import { brokerError } from './protocol-errors.ts';
import { openConnection } from './raw-request.ts';
import { ResponseReader } from './response-reader.ts';
import { speaks } from './topic-metadata.ts';

const API_KEY = 15;
/** The first that tells what may be done to a group. Source: https://kafka.apache.org/protocol#The_Messages_DescribeGroups */
const VERSION = 3;

/** What may be done to a group, asked of its coordinator; undefined when the broker does not say. Throws kafkajs' errors. */
export async function readGroupOperations(broker: Omit<Broker, 'fetch'>, groupId: string): Promise<number | undefined> {
  if (!speaks(broker, API_KEY, VERSION)) return undefined;
  const connection = await openConnection(broker);
  return decode(await connection.send({ apiKey: API_KEY, apiVersion: VERSION, apiName: 'DescribeGroups', body: [encode(groupId)] }));
}

function encode(groupId: string): Buffer {
  const name = Buffer.from(groupId, 'utf8');
  const body = Buffer.alloc(4 + 2 + name.length + 1);
  body.writeInt32BE(1, 0); // groups
  body.writeInt16BE(name.length, 4);
  name.copy(body, 6);
  body.writeInt8(1, 6 + name.length); // what may be done is asked for
  return body;
}

function decode(payload: Buffer): number | undefined {
  const reader = new ResponseReader(payload);
  reader.skip(4); // throttle time
  const [operations] = reader.array(() => {
    const errorCode = reader.int16();
    for (let texts = 0; texts < 4; texts += 1) reader.string(); // group, state, kind and name of its protocol
    reader.array(() => {
      for (let texts = 0; texts < 3; texts += 1) reader.string(); // member, its client, its host
      for (let parts = 0; parts < 2; parts += 1) reader.bytes(); // what it says and what it was given
    });
    const operations = reader.int32();
    if (errorCode !== 0) throw brokerError(errorCode);
    return operations;
  });
  return operations === undefined ? undefined : knownOperations(operations);
}
