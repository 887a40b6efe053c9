export { loadConfig, type ConfigSources, type LoadResult } from './load.ts';
export { type Config } from './settings.ts';
export { printableConfig } from './redact.ts';
export { listenProblem } from './listen-problem.ts';
