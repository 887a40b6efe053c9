export { createNativeFrontEnd, type NativeFrontEnd, type NativeFrontEndOptions, type OwnCertificate } from './server.ts';
export type { NativeUpstream } from './sockets.ts';
