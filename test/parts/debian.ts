import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installOnce } from './cache.ts';

const SCRIPT = fileURLToPath(new URL('./debian-unpack.sh', import.meta.url));
const LIBRARIES = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu', 'lib/aarch64-linux-gnu'];

/** A program out of a Debian package, unpacked beside the system. */
export interface DebianProgram {
  readonly command: string;
  /** With the libraries that came with it. */
  readonly env: NodeJS.ProcessEnv;
}

/** `bin/<program>` of these packages, unpacked once per machine. The first package names the folder. */
export async function debianProgram(program: string, packages: readonly [string, ...string[]]): Promise<DebianProgram> {
  const folder = await installOnce({ name: packages[0], files: [SCRIPT], command: 'sh', args: ['debian-unpack.sh', ...packages] });
  const root = join(folder, 'root');
  return {
    command: join(root, 'usr/bin', program),
    env: { ...process.env, LD_LIBRARY_PATH: LIBRARIES.map((path) => join(root, path)).join(':'), HOME: folder },
  };
}
