export { freePiece, keepFreedMemory } from './freed-memory.ts';
export { hasReusedReads, receivePieces, rereadAccepted, withReusedReads, type Receive } from './reused-reads.ts';
