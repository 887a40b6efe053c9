import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import { PATIENCE_MS, waitFor } from './wait-for.ts';

const SETPRIV = '/usr/bin/setpriv';
const LINES_TOLD = 40;

export interface ProcessOptions {
  /** Names the process in errors: `ClickHouse`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Both output streams are appended to this file. */
  readonly logFile: string;
  /** With a line of this kind begins what the process prints when it dies; without, a crash is told by the last lines. Flag `m`. */
  readonly fatalLine?: RegExp;
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
  /** That it ended though nobody asked it to, or is about to (`fatalLine`), and what it printed of that; undefined when all is well. */
  crash(): string | undefined;
}

/**
 * Starts a process and waits until it serves. When it ends or is not ready in time, it is killed and the error holds the tail of its output.
 * It never outlives the thread that started it (an ava worker, the demo), however that ends, where `setpriv` (util-linux) exists.
 */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  // The file may hold what a process before this one has printed.
  const firstByte = existsSync(options.logFile) ? statSync(options.logFile).size : 0;
  const running = watch(spawnLeashed(options), options, firstByte);
  try {
    await waitFor(async () => !running.isRunning() || (await options.isReady()), {
      timeoutMs: options.readyTimeoutMs ?? PATIENCE_MS,
      message: `${options.name} to be ready`,
    });
    if (!running.isRunning()) throw new Error(`${options.name} ended with code ${String(await running.exited())} before it was ready`);
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

function watch(child: ChildProcess, { name, logFile, fatalLine }: ProcessOptions, firstByte: number): RunningProcess {
  let ended = false;
  let wasAskedTo = false;
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
  const askToEnd = (signal: NodeJS.Signals): void => {
    if (ended) return;
    wasAskedTo = true;
    child.kill(signal);
  };
  const running: RunningProcess = {
    pid: child.pid ?? 0,
    isRunning: () => !ended,
    exited: async () => end,
    stop: async (graceMs = 10_000) => {
      askToEnd('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      const code = await end;
      clearTimeout(timer);
      return code;
    },
    kill: async () => {
      askToEnd('SIGKILL');
      await end;
    },
    output: () => readFileSync(logFile, 'utf8'),
    crash: () => {
      const printed = readFileSync(logFile).subarray(firstByte).toString();
      const fatal = fatalLine === undefined ? -1 : printed.search(fatalLine);
      const hasEndedItself = ended && !wasAskedTo;
      if (fatal < 0 && !hasEndedItself) return undefined;
      const how = hasEndedItself ? `ended by itself (${child.signalCode ?? `code ${String(child.exitCode)}`})` : 'crashed';
      return `${name} ${how}\n${fatal < 0 ? tail(printed) : head(printed.slice(fatal))}`;
    },
  };
  return running;
}

/** The first lines; those printed to both streams once. */
function head(output: string): string {
  return [...new Set(output.split('\n'))].slice(0, LINES_TOLD).join('\n');
}

function tail(output: string): string {
  return output.split('\n').slice(-LINES_TOLD).join('\n');
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
