// Source: AclOperation.java of Kafka; a set of operations is a number with the bits of their codes.
export const READ = 3;
export const WRITE = 4;

/** What a broker says that does not look at its permissions. */
const NOT_ASKED = -(2 ** 31);

export function knownOperations(bits: number): number | undefined {
  return bits === NOT_ASKED ? undefined : bits;
}

/** Whether an operation is in the set. One that the broker does not tell is taken for allowed: it would say so when it comes to it. */
export function isAllowed(operations: number | undefined, operation: typeof READ | typeof WRITE): boolean {
  return operations === undefined || (operations & (1 << operation)) !== 0;
}
