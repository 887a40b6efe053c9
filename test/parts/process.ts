import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { waitFor } from './wait-for.ts';

const SETPRIV = '/usr/bin/setpriv';
const TAIL_LINES = 40;

export interface ProcessOptions {
  /** Names the process in errors: `ClickHouse`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Both output streams are appended to this file. */
  readonly logFile: string;
  /** True when the process serves; asked again and again, may throw while it does not. */
  readonly isReady: () => Promise<boolean>;
  readonly readyTimeoutMs?: number;
}

/** A child process that serves. */
export interface RunningProcess {
  readonly pid: number;
  isRunning(): boolean;
  /** Waits for the end; the exit code, or null when a signal ended it. */
  exited(): Promise<number | null>;
  /** SIGTERM, then SIGKILL after `graceMs` (10,000 when absent). Answers when it has ended; nothing to do is fine. */
  stop(graceMs?: number): Promise<number | null>;
  /** SIGKILL. Answers when it has ended. */
  kill(): Promise<void>;
  /** What it has printed so far. */
  output(): string;
}

/**
 * Starts a process and waits until it serves. When it ends or is not ready in time, it is killed and the error holds the tail of its output.
 * It never outlives the thread that started it (an ava worker, the demo), however that ends, where `setpriv` (util-linux) exists.
 */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const child = spawnLeashed(options);
  const running = watch(child, options.logFile);
  try {
    await waitFor(async () => !running.isRunning() || (await options.isReady()), {
      timeoutMs: options.readyTimeoutMs ?? 60_000,
      message: `${options.name} to be ready`,
    });
    if (!running.isRunning()) throw new Error(`${options.name} ended with code ${String(child.exitCode)} before it was ready`);
    return running;
  } catch (error) {
    await running.kill();
    throw new Error(`${(error as Error).message}\n${tail(running.output())}`, { cause: error });
  }
}

function spawnLeashed(options: ProcessOptions): ChildProcess {
  const log = openSync(options.logFile, 'a');
  const leash = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL'] : [];
  const [command = options.command, ...args] = [...leash, options.command, ...options.args];
  try {
    return spawn(command, args, {
      stdio: ['ignore', log, log],
      // A process group of its own: Ctrl-C on the terminal goes to us, and we end it in order.
      detached: true,
      env: options.env ?? process.env,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
  } finally {
    closeSync(log);
  }
}

function watch(child: ChildProcess, logFile: string): RunningProcess {
  let ended = false;
  const end = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      ended = true;
      resolve(code);
    });
    // The command could not be run at all: there is no `exit`.
    child.once('error', () => {
      ended = true;
      resolve(null);
    });
  });
  const running: RunningProcess = {
    pid: child.pid ?? 0,
    isRunning: () => !ended,
    exited: async () => end,
    stop: async (graceMs = 10_000) => {
      if (!ended) child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      const code = await end;
      clearTimeout(timer);
      return code;
    },
    kill: async () => {
      if (!ended) child.kill('SIGKILL');
      await end;
    },
    output: () => readFileSync(logFile, 'utf8'),
  };
  return running;
}

function tail(output: string): string {
  return output.split('\n').slice(-TAIL_LINES).join('\n');
}

/** Runs a command to its end; an exit code other than 0 is an error that holds what it printed. */
export async function runCommand(command: string, args: readonly string[], cwd: string): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`\`${command} ${args.join(' ')}\` ended with code ${String(code)}\n${tail(output)}`);
}
