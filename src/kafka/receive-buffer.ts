const SIZE_BYTES = 4;
const MIN_BYTES = 4096;
const STEP_BYTES = 1 << 20;
/** Far above any fetch limit: who announces more does not speak Kafka. */
const MAX_ANSWER_BYTES = 1 << 29;

/**
 * Collects what arrives on a connection into whole Kafka answers (int32 size, then that many bytes), in one buffer that is used again
 * and again and grows to the largest answer.
 */
export class ReceiveBuffer {
  readonly #onAnswer: (answer: Buffer) => void;
  #buffer = Buffer.allocUnsafeSlow(MIN_BYTES);
  #length = 0;

  /** `onAnswer` gets an answer with its size in front. The bytes are overwritten when the next answer arrives, unless `renew` is called. */
  constructor(onAnswer: (answer: Buffer) => void) {
    this.#onAnswer = onAnswer;
  }

  /** Copies the chunk's bytes: it may be reused afterwards. Throws RangeError for an impossible size; the connection is of no use then. */
  add(chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0;) rest = rest.subarray(this.#take(rest));
  }

  /** Forgets an answer that was begun. */
  reset(): void {
    this.#length = 0;
  }

  /** Leaves the bytes handed out so far alone: the next answer goes to a new buffer. */
  renew(): void {
    const old = this.#buffer;
    this.#buffer = Buffer.allocUnsafeSlow(old.length);
    old.copy(this.#buffer, 0, 0, this.#length);
  }

  /** Copies what belongs to the size or to the answer behind it; answers how many bytes that were. */
  #take(chunk: Buffer): number {
    const wanted = this.#length < SIZE_BYTES ? SIZE_BYTES : this.#answerBytes();
    const taken = Math.min(wanted - this.#length, chunk.length);
    chunk.copy(this.#buffer, this.#length, 0, taken);
    this.#length += taken;
    if (this.#length < SIZE_BYTES) return taken;
    this.#reserve(this.#answerBytes());
    if (this.#length === this.#answerBytes()) this.#hand();
    return taken;
  }

  #answerBytes(): number {
    return SIZE_BYTES + this.#buffer.readUInt32BE(0);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    if (bytes > MAX_ANSWER_BYTES) throw new RangeError(`the broker announces an answer of ${bytes} bytes`);
    const larger = Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  #hand(): void {
    const answer = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    this.#onAnswer(answer);
  }
}
