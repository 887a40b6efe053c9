import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installOnce } from '../../parts/cache.ts';
import { cpuSeconds } from '../process-usage.ts';

const HERE = fileURLToPath(new URL('./load/', import.meta.url));

export const VARIANTS = ['direct', 'nginx', 'nginx-buffered', 'haproxy', 'gateway'] as const;
export type Variant = (typeof VARIANTS)[number];

export const MEASURES = [
  'http-latency',
  'http-select',
  'http-insert',
  'http-insert-chunked',
  'native-latency',
  'native-select',
  'native-insert',
  'native-insert-strings',
] as const;
export type Measure = (typeof MEASURES)[number];

/** Where a variant is reached; `nativePort` 0 for one without native protocol. */
export interface Target {
  readonly variant: Variant;
  readonly httpPort: number;
  readonly nativePort: number;
  /** The processes between client and server. */
  readonly pids: () => readonly number[];
}

export interface Load {
  readonly connections: number;
  readonly seconds: number;
  readonly mebibytes: number;
}

export type Figures =
  | {
      readonly kind: 'latency';
      readonly medianMs: number;
      readonly p99Ms: number;
      readonly perSecond: number;
      /** Of the processes between; 0 for none. */
      readonly cpuMicrosecondsPerRequest: number;
    }
  | {
      readonly kind: 'throughput';
      readonly mebibytesPerSecond: number;
      /** Of the processes between; 0 for none. */
      readonly cpuSecondsPerGibibyte: number;
    };

const MEBIBYTE = 1024 * 1024;

export function canMeasure(target: Target, measure: Measure): boolean {
  return measure.startsWith('http') || target.nativePort !== 0;
}

export function isLatency(measure: Measure): boolean {
  return measure.endsWith('-latency');
}

/** One run of one measure. The load comes from a process of its own; an error of it or of the server rejects. */
export async function measureOnce(target: Target, measure: Measure, load: Load): Promise<Figures> {
  const [, protocol = '', what = '', kind = ''] = /^(http|native)-(latency|select|insert)(-.*)?$/.exec(measure) ?? [];
  const address = `127.0.0.1:${protocol === 'http' ? target.httpPort : target.nativePort}`;
  const amount = isLatency(measure) ? [load.connections, load.seconds] : [load.mebibytes];
  const before = usedCpuSeconds(target);
  const result = await runLoad([what, `${protocol}${kind}`, address, ...amount.map(String)]);
  const usedSeconds = usedCpuSeconds(target) - before;
  if ('medianMs' in result) {
    const { requests, ...latency } = result;
    return { kind: 'latency', ...latency, cpuMicrosecondsPerRequest: (usedSeconds / requests) * 1e6 };
  }
  const mebibytes = result.bytes / MEBIBYTE;
  return { kind: 'throughput', mebibytesPerSecond: mebibytes / result.seconds, cpuSecondsPerGibibyte: (usedSeconds / mebibytes) * 1024 };
}

function usedCpuSeconds(target: Target): number {
  return target.pids().reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

type LoadResult =
  | { readonly medianMs: number; readonly p99Ms: number; readonly perSecond: number; readonly requests: number }
  | { readonly bytes: number; readonly seconds: number };

async function runLoad(args: readonly string[]): Promise<LoadResult> {
  const folder = await installOnce({
    name: 'proxy-load',
    files: ['go.mod', 'main.go', 'http.go', 'native.go', 'block.go'].map((file) => join(HERE, file)),
    command: 'go',
    args: ['build', '-o', 'load', '.'],
  });
  const { stdout } = await promisify(execFile)(join(folder, 'load'), args);
  return JSON.parse(stdout) as LoadResult;
}
