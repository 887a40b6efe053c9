export { surviveAcceptFaults } from './accept-faults.ts';
export { ConnectionLimit, MAX_CONNECTIONS } from './connection-limit.ts';
export { freePiece, keepFreedMemory } from './freed-memory.ts';
export { HANDSHAKE_TIMEOUT_MS, PROBE_DELAY_MS, SEND_TIMEOUT_MS } from './limits.ts';
export { renewCertificate, type OwnCertificate } from './own-certificate.ts';
export { hasReusedReads, receivePieces, rereadAccepted, withReusedReads, type Receive } from './reused-reads.ts';
