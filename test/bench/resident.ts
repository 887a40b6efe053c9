import { medianOf } from './report.ts';
import { peakResidentBytes, residentBytes } from './process-usage.ts';

const SAMPLE_MS = 100;
/** What the first part of a run allocates is there to stay: compiled code, pools, receive buffers. */
const WARM_UP_SHARE = 0.2;

/** A process's resident memory while something ran, in bytes; all but the peak after a warm-up of a fifth of the time. */
export interface Resident {
  readonly peakBytes: number;
  readonly minBytes: number;
  readonly medianBytes: number;
  readonly maxBytes: number;
  /** Medians of the first and the last third of the time after the warm-up: alike when memory does not follow what has passed through. */
  readonly firstThirdBytes: number;
  readonly lastThirdBytes: number;
  readonly samples: number;
}

/** Samples a process's resident memory until it is stopped. Linux only. */
export class ResidentSampler {
  readonly #pid: number;
  readonly #samples: number[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#samples.push(residentBytes(pid)), SAMPLE_MS);
  }

  /** The samples taken since the call of `mark` that answered `from`. */
  since(from: number): readonly number[] {
    return this.#samples.slice(from);
  }

  mark(): number {
    return this.#samples.length;
  }

  stop(): Resident {
    clearInterval(this.#timer);
    this.#samples.push(residentBytes(this.#pid));
    const warm = this.#samples.slice(Math.floor(this.#samples.length * WARM_UP_SHARE));
    const third = Math.ceil(warm.length / 3);
    return {
      peakBytes: peakResidentBytes(this.#pid),
      minBytes: Math.min(...warm),
      medianBytes: medianOf(warm),
      maxBytes: Math.max(...warm),
      firstThirdBytes: medianOf(warm.slice(0, third)),
      lastThirdBytes: medianOf(warm.slice(-third)),
      samples: this.#samples.length,
    };
  }

  /** Ends the sampling of a process that may be gone. */
  cancel(): void {
    clearInterval(this.#timer);
  }
}
