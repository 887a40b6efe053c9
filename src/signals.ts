import type { Gateway } from './gateway.ts';
import type { Logger } from './logger.ts';

/** A certificate that was read again, or why it cannot be used; `tls` is undefined where there is none. */
type Reread =
  | { readonly ok: true; readonly tls: Parameters<Gateway['renewCertificate']>[0] | undefined }
  | { readonly ok: false; readonly problem: string };

/** At each SIGHUP the gateway takes the certificate that `reread` finds then. One that cannot be used is told in the log, and the one before goes on. */
export function renewOnSignal(starting: Promise<Gateway>, reread: () => Reread, logger: Logger): void {
  const renew = (gateway: Gateway): void => {
    const read = reread();
    if (!read.ok) {
      logger.error({ problem: read.problem }, 'certificate not renewed');
    } else if (read.tls === undefined) {
      logger.info('no certificate to renew');
    } else {
      gateway.renewCertificate(read.tls);
      logger.info('certificate renewed');
    }
  };
  process.on('SIGHUP', () => {
    starting.then(renew).catch((err: unknown) => {
      logger.error({ err }, 'certificate not renewed');
    });
  });
}

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
