import './end-of-file.ts';

// What a gateway needs stands apart (gateway.ts, stream.ts): files that import it get a ClickHouse of their own.
export { useClickHouse, useKafka, useOwnClickHouse, useOwnKafka, useRegistry } from './servers.ts';
export { uniqueName, useDatabase, useTopic } from './names.ts';
export { useFolder } from './folders.ts';
export { openssl, useCertificate, useTlsProxy, type Certificate } from './tls.ts';
export { acceptedConnections, isProbed } from './probes.ts';
export { freePort } from '../parts/ports.ts';
export { waitFor } from '../parts/wait-for.ts';
