import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders = new Set<string>();

// One listener for all folders: Node warns of leaks from the eleventh on.
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** A fresh empty folder `sluice-<name>-…` among the system's temporary ones, removed at the latest when this process exits; its path. */
export function makeFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `sluice-${name}-`));
  folders.add(folder);
  return folder;
}

/** Removes a folder of `makeFolder` and what is in it. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  folders.delete(folder);
}
