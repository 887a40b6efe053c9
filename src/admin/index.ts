export { startAdminServer, type AdminOptions, type AdminServer } from './server.ts';
