export { readCommand, type Command } from './command.ts';
export { loadConfig, type ConfigSources, type LoadResult } from './load.ts';
export { type Config, type KafkaSources } from './settings.ts';
export { printableConfig } from './redact.ts';
export { rereadCertificate, type CertificateFiles } from './tls-files.ts';
export { listenProblem } from './listen-problem.ts';
