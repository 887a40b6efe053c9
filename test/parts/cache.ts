import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { runCommand } from './process.ts';

const LOCK_POLL_MS = 200;

/** A program that is installed by its own package client, once per machine and version, outside the checkout. */
export interface CachedInstall {
  /** Short name: part of the folder's name and of messages. */
  readonly name: string;
  /** Files that decide the version (lock file, pom); copied into the folder before the command runs there. */
  readonly files: readonly string[];
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * The folder of a finished install; installs first when there is none. Several processes may ask at once: one installs, the others wait.
 * An install that was cut off is never used: the work is done in a folder of another name, which is renamed when complete.
 * Where: `$SLUICE_PARTS_CACHE`, else `$XDG_CACHE_HOME/sluice-parts`, else `~/.cache/sluice-parts`.
 */
export async function installOnce(install: CachedInstall): Promise<string> {
  const root = cacheRoot();
  const folder = join(root, `${install.name}-${hashFiles(install.files)}`);
  if (existsSync(folder)) return folder;
  await mkdir(root, { recursive: true });
  const lock = `${folder}.lock`;
  while (!(await takeLock(lock))) {
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
    if (existsSync(folder)) return folder;
  }
  try {
    if (!existsSync(folder)) await installInto(folder, install);
    return folder;
  } finally {
    await rm(lock, { force: true });
  }
}

function cacheRoot(): string {
  return process.env['SLUICE_PARTS_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sluice-parts');
}

function hashFiles(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

async function installInto(folder: string, install: CachedInstall): Promise<void> {
  const unfinished = `${folder}.unfinished-${process.pid}`;
  console.error(`installing ${install.name} into ${folder} (once per machine, a minute or two)`);
  try {
    await mkdir(unfinished, { recursive: true });
    for (const file of install.files) await cp(file, join(unfinished, basename(file)));
    await runCommand(install.command, install.args, unfinished);
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Takes the lock file, or says that a living process has it. The file holds its owner's process id, so that a dead owner's lock is taken over. */
async function takeLock(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const owner = Number(await readFile(lock, 'utf8').catch(() => ''));
  // An empty file is a lock between its creation and its writing: its owner lives. Our own id is another thread of this process.
  // Should two waiters clear the same dead lock, both install, and the second rename finds the folder there: never a half-done folder.
  if (owner > 0 && !isAlive(owner)) await rm(lock, { force: true });
  return false;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
