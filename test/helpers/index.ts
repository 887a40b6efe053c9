export { useClickHouse, useKafka, useOwnClickHouse, useOwnKafka } from './servers.ts';
export { uniqueName, useDatabase, useTopic } from './names.ts';
export { useGateway, useSharedGateway } from './gateway.ts';
export { useFolder } from './folders.ts';
export { openssl, useCertificate, useTlsProxy, type Certificate } from './tls.ts';
export { freePort } from '../parts/ports.ts';
export { waitFor } from '../parts/wait-for.ts';
export { useStream, type Stream } from './stream.ts';
