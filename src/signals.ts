import type { Gateway } from './gateway.ts';
import type { Logger } from './logger.ts';

const EXIT_STOPPED = 0;
const EXIT_CUT_OFF = 1;

/**
 * Ends the process on SIGTERM and SIGINT: drained, with exit code 0; or after `graceMs`, on a second signal or when draining fails, as
 * it is, with exit code 1 and a log line that says what was still running. What was not committed then is read again by the next start.
 */
export function stopOnSignal(starting: Promise<Gateway>, graceMs: number, logger: Logger): void {
  let gateway: Gateway | undefined;
  starting.then(
    (started) => (gateway = started),
    () => undefined, // whoever awaits the start tells of its failure
  );

  const cutOff = (why: string, err?: unknown) => {
    logger.error({ still_running: gateway?.running() ?? ['start'], err }, why);
    process.exit(EXIT_CUT_OFF);
  };
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) {
      cutOff('stopped by a second signal');
      return;
    }
    isStopping = true;
    logger.info({ signal, grace_ms: graceMs }, 'gateway stops');
    setTimeout(() => cutOff('grace period is over'), graceMs);
    starting
      .then((started) => started.close(graceMs))
      .then(
        () => {
          logger.info('gateway stopped');
          process.exit(EXIT_STOPPED);
        },
        (error: unknown) => cutOff('gateway could not stop cleanly', error),
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
