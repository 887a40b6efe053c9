export { RegistryFailure, SchemaRegistry, schemaRegistryAt, type RegistryAddress } from './schema-registry.ts';
