export { createNativeFrontEnd, type NativeFrontEnd, type NativeFrontEndOptions } from './server.ts';
export type { NativeUpstream } from './sockets.ts';
