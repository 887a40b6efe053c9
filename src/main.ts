#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { listenProblem, loadConfig, printableConfig, type Config } from './config/index.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { createLogger, type Logger } from './logger.ts';

/** 0: asked for and done, 1: could not start or ended badly, 2: settings that stop the start. */
const EXIT = { ok: 0, failed: 1, wrongSettings: 2 } as const;

const loaded = loadConfig({ argv: process.argv.slice(2), env: process.env, readFile: (path) => readFileSync(path, 'utf8') });
switch (loaded.kind) {
  case 'help':
    process.stdout.write(loaded.text);
    break;
  case 'version':
    process.stdout.write(`sluice ${packageVersion()}\n`);
    break;
  case 'problems':
    for (const problem of loaded.problems) process.stderr.write(`sluice: ${problem}\n`);
    process.exitCode = EXIT.wrongSettings;
    break;
  case 'config':
    await run(loaded.config);
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
    process.exit(EXIT.failed);
  });
  const starting = startGateway(config, logger);
  stopOnSignal(starting, config.shutdownGraceMs, logger);
  try {
    const gateway = await starting;
    logger.info({ http_port: gateway.httpPort, admin_port: gateway.adminPort, settings: printableConfig(config) }, 'gateway started');
  } catch (error) {
    refuseStart(error, config, logger);
  }
}

function refuseStart(error: unknown, config: Config, logger: Logger): never {
  const problem = listenProblem(error, config);
  if (problem === undefined) logger.fatal({ err: error }, 'gateway could not start');
  else process.stderr.write(`sluice: ${problem}\n`);
  process.exit(EXIT.failed);
}

/** The first SIGTERM or SIGINT drains the gateway; a second one, or the end of the grace period, ends the process as it is. */
function stopOnSignal(starting: Promise<Gateway>, graceMs: number, logger: Logger): void {
  let isStopping = false;
  let gateway: Gateway | undefined;
  starting.then((started) => (gateway = started)).catch(() => undefined); // a failed start is told by `run`

  const giveUp = (why: string) => {
    logger.error({ still_running: gateway?.running() ?? ['start'] }, why);
    process.exit(EXIT.failed);
  };
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) return giveUp('stopped by a second signal');
    isStopping = true;
    logger.info({ signal, grace_ms: graceMs }, 'gateway stops');
    setTimeout(() => giveUp('grace period is over'), graceMs);
    void drain(starting, graceMs, logger);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

async function drain(starting: Promise<Gateway>, graceMs: number, logger: Logger): Promise<never> {
  try {
    await (await starting).close(graceMs);
  } catch (err) {
    logger.error({ err }, 'gateway could not stop cleanly');
    process.exit(EXIT.failed);
  }
  logger.info('gateway stopped');
  process.exit(EXIT.ok);
}
