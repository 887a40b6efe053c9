export { createHttpFrontEnd, type HttpFrontEnd, type HttpFrontEndOptions } from './server.ts';
