/** Runs a bench as a program of its own: no options mean that help was asked for; what fails is told in a line, and the exit code is 1. */
export async function runAsProgram<T>(help: string, readOptions: () => T | undefined, run: (options: T) => Promise<void>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // The servers end with this process, and their folders go with it.
    process.once(signal, () => process.exit(130));
  }
  try {
    const options = readOptions();
    if (options === undefined) process.stdout.write(help);
    else await run(options);
  } catch (error) {
    console.error(`bench failed: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
