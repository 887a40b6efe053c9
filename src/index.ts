/** The gateway for embedding into another Node process: `startGateway(config, logger)` with a config from `loadConfig`. */
export { loadConfig, type Config, type ConfigSources, type LoadResult } from './config/index.ts';
export { startGateway, type Gateway } from './gateway.ts';
export { createLogger, silentLogger, type Logger, type LogLevel } from './logger.ts';
