#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { listenProblem, loadConfig, printableConfig, readCommand, rereadCertificate, type Command, type Config } from './config/index.ts';
import { rotateSecretKey, startGateway } from './gateway.ts';
import { createLogger, type Logger } from './logger.ts';
import { renewOnSignal, stopOnSignal } from './signals.ts';

const EXIT_FAILED = 1;
const EXIT_WRONG_SETTINGS = 2;

const readFile = (path: string): string => readFileSync(path, 'utf8');

const { command, rest } = readCommand(process.argv.slice(2));
const loaded = loadConfig({ argv: rest, env: process.env, readFile });
switch (loaded.kind) {
  case 'help':
    process.stdout.write(loaded.text);
    break;
  case 'version':
    process.stdout.write(`sluice ${packageVersion()}\n`);
    break;
  case 'problems':
    for (const problem of loaded.problems) process.stderr.write(`sluice: ${problem}\n`);
    process.exitCode = EXIT_WRONG_SETTINGS;
    break;
  case 'config':
    await (command.name === 'serve' ? run(loaded.config) : rotate(loaded.config, command));
}

/** Of package.json, which lies one folder above this file in the sources as in the package. */
function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}

async function run(config: Config): Promise<void> {
  const logger = createLogger(config.logLevel);
  // Also called for promises that reject unheard. The state is unknown then: what was not committed is read again by the next start.
  process.on('uncaughtException', (err, origin) => {
    logger.fatal({ err, origin }, 'gateway failed');
    process.exit(EXIT_FAILED);
  });
  if (config.meaninglessProperties.length > 0)
    logger.warn(
      { properties: config.meaninglessProperties },
      'Kafka properties that mean nothing here, and what the gateway has in their place',
    );
  const starting = startGateway(config, logger);
  stopOnSignal(starting, config.shutdownGraceMs, logger);
  renewOnSignal(starting, () => rereadCertificate(config, readFile), logger);
  try {
    const gateway = await starting;
    logger.info(
      {
        http_port: gateway.httpPort,
        native_port: gateway.nativePort,
        https_port: gateway.httpsPort,
        native_port_secure: gateway.nativePortSecure,
        admin_port: gateway.adminPort,
        settings: printableConfig(config),
      },
      'gateway started',
    );
  } catch (error) {
    refuseStart(error, config, logger);
  }
}

async function rotate(config: Config, consents: Command & { name: 'rotate-secret-key' }): Promise<void> {
  if (config.secretKey === undefined) {
    process.stderr.write(`sluice: ${consents.name} needs the new key in secret_key, and the one before it in old_secret_key.\n`);
    process.exitCode = EXIT_WRONG_SETTINGS;
    return;
  }
  try {
    const isComplete = await rotateSecretKey(config, consents, (line) => process.stdout.write(`${line}\n`));
    if (!isComplete) process.exitCode = EXIT_FAILED;
  } catch (error) {
    process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = EXIT_FAILED;
  }
}

function refuseStart(error: unknown, config: Config, logger: Logger): never {
  const problem = listenProblem(error, config);
  if (problem === undefined) logger.fatal({ err: error }, 'gateway could not start');
  else process.stderr.write(`sluice: ${problem}\n`);
  process.exit(EXIT_FAILED);
}
