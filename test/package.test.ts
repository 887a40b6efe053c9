import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test from 'ava';

/** Packed, installed into an empty folder without development parts, and started: what a user of the package gets. */
interface Packed {
  /** Paths in the tarball. */
  readonly files: readonly string[];
  readonly tarballBytes: number;
  /** A folder whose only dependency is the package. */
  readonly userFolder: string;
}

const LARGEST_INSTALL_BYTES = 60 * 1024 ** 2;
const NOT_IN_A_CLONE = ['node_modules', 'dist', '.git'];

let packed: Packed;
const folders: string[] = [];

function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `sluice-${name}-`));
  folders.push(folder);
  return folder;
}

function run(folder: string, command: string, ...args: readonly string[]): string {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|SLUICE_|NODE_OPTIONS)/i.test(name)));
  return execFileSync(command, args, { cwd: folder, encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] });
}

test.before('packed and installed', (t) => {
  t.timeout(5 * 60_000);
  // A clone, so that `npm pack` builds it from nothing and the dist of this checkout stays as it is.
  const clone = temporaryFolder('clone');
  cpSync('.', clone, { recursive: true, filter: (path) => !NOT_IN_A_CLONE.includes(basename(path)) });
  symlinkSync(join(process.cwd(), 'node_modules'), join(clone, 'node_modules'));
  run(clone, 'npm', 'pack', '--silent');
  const tarball = join(clone, readdirSync(clone).find((name) => name.endsWith('.tgz')) ?? 'no tarball');
  const files = run(clone, 'tar', '-tf', tarball).trim().split('\n');

  const userFolder = temporaryFolder('user');
  writeFileSync(join(userFolder, 'package.json'), '{ "name": "user", "private": true, "type": "module" }');
  run(userFolder, 'npm', 'install', tarball, '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund');
  packed = { files: files.map((path) => path.replace(/^package\//, '')), tarballBytes: statSync(tarball).size, userFolder };
});

test.after.always('removed', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

test('the package holds the program, its papers and nothing else', (t) => {
  t.deepEqual(
    packed.files.filter(
      (path) => !/^(dist\/.*\.(js|d\.ts)|dist\/sql\/trino\.generated\.cjs|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(path),
    ),
    [],
  );
  for (const path of ['dist/main.js', 'dist/index.js', 'dist/index.d.ts', 'README.md', 'CHANGELOG.md', 'LICENSE'])
    t.true(packed.files.includes(path), path);
  t.true(packed.tarballBytes < 1024 ** 2, `${packed.tarballBytes} bytes`);
});

test('the licence is the whole Apache License 2.0', (t) => {
  const text = readFileSync(join(packed.userFolder, 'node_modules/sluice/LICENSE'), 'utf8');
  for (const part of ['Version 2.0, January 2004', '9. Accepting Warranty or Additional Liability', 'END OF TERMS AND CONDITIONS'])
    t.true(text.includes(part), part);
});

test('an installed package is small and without development parts', (t) => {
  const modules = join(packed.userFolder, 'node_modules');
  for (const name of ['typescript', 'ava', 'tsx', 'peggy', 'eslint']) t.false(existsSync(join(modules, name)), name);
  const [kib] = run(packed.userFolder, 'du', '-sk', 'node_modules').split('\t');
  t.log(`installed: ${kib} KiB`);
  t.true(Number(kib) * 1024 < LARGEST_INSTALL_BYTES, `${kib} KiB`);
});

test('npx sluice --help and --version answer', (t) => {
  t.regex(run(packed.userFolder, 'npx', '--no-install', 'sluice', '--help'), /^Usage: sluice/);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  t.is(run(packed.userFolder, join('node_modules', '.bin', 'sluice'), '--version'), `sluice ${version}\n`);
});

test('the installed gateway starts and stops', async (t) => {
  const args = ['--http-port=0', '--native-port=0', '--admin-port=0', '--clickhouse-url=http://127.0.0.1:1'];
  const child = spawn(join(packed.userFolder, 'node_modules/.bin/sluice'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
    if (log.includes('gateway started')) child.kill('SIGTERM');
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  t.is(code, 0, log);
});

test('the parser that is copied into the package works there', (t) => {
  const source = `
    import { readViewQuery } from './node_modules/sluice/dist/sql/view-query.js';
    console.log(readViewQuery('SELECT a FROM db.queue')?.tables);
  `;
  writeFileSync(join(packed.userFolder, 'view.js'), source);
  t.is(run(packed.userFolder, 'node', 'view.js'), "[ { database: 'db', table: 'queue' } ]\n");
});

test('a program can embed it, with types', (t) => {
  const source = `
    import { loadConfig, silentLogger, startGateway, type Gateway } from 'sluice';
    const loaded = loadConfig({ argv: ['--http-port=0', '--native-port=0', '--admin-port=0'], env: {}, readFile: () => '' });
    if (loaded.kind !== 'config') throw new Error(loaded.kind);
    const gateway: Gateway = await startGateway(loaded.config, silentLogger());
    await gateway.close(1000);
    console.log('closed', gateway.adminPort > 0);
  `;
  writeFileSync(join(packed.userFolder, 'embed.ts'), source);
  const tsc = join(process.cwd(), 'node_modules/.bin/tsc');
  const types = ['--typeRoots', join(process.cwd(), 'node_modules/@types'), '--types', 'node'];
  run(packed.userFolder, tsc, '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck', 'false', ...types, 'embed.ts');
  t.is(run(packed.userFolder, 'node', 'embed.js'), 'closed true\n');
});
