import { readdirSync } from 'node:fs';
import test from 'ava';
import { findCycle, importedPaths, readImports, type Import } from './fixtures/imports.ts';

/**
 * Rooms from the process down to the ground: an arrow may only point to a lower floor, types included. Rooms on one floor do not
 * know each other.
 */
const FLOORS: readonly (readonly string[])[] = [
  ['main.ts', 'index.ts'],
  ['signals.ts'],
  ['gateway.ts'],
  ['frontend', 'admin'],
  ['query'],
  ['streaming', 'producing'],
  ['catalog', 'formats'],
  ['kafka', 'batching'],
  ['engine', 'clickhouse', 'registry'],
  ['sql', 'protocol', 'sockets'],
  ['config'],
  ['reach', 'librdkafka'],
  ['errors.ts', 'logger.ts', 'pauses.ts', 'pem.ts', 'suggestion.ts', 'unfolded-size.ts', 'url-address.ts'],
];

/** Only these may know the settings; every other room receives plain options. */
const READERS_OF_CONFIG = ['main.ts', 'index.ts', 'gateway.ts'];

const TOP_LEVEL = /^(package\.json|package-lock\.json|tsconfig\.json|src|grammar|test|examples|README\.md|CHANGELOG\.md|LICENSE|\..+)$/;

/** Not part of the repository. */
const MADE_BY_NPM = /^(node_modules|dist|.*\.tgz)$/;

const imports = readImports('src');
const crossings = imports.filter(({ from, to }) => roomOf(from) !== roomOf(to));

/** `kafka/consumer.ts` → `kafka`; a file directly in src is a room of its own. */
function roomOf(file: string): string {
  return file.split('/', 1)[0] ?? file;
}

function floorOf(file: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(roomOf(file)));
}

function draw(wrong: readonly Import[]): string[] {
  return wrong.map(({ from, to }) => `${from} → ${to}`);
}

test('no file imports itself over others', (t) => {
  t.is(findCycle(imports)?.join(' → '), undefined);
});

test('every room has its floor', (t) => {
  const files = imports.flatMap(({ from, to }) => [from, to]);
  t.deepEqual(
    files.filter((file) => floorOf(file) === -1),
    [],
  );
});

test('arrows between rooms point downwards', (t) => {
  t.deepEqual(draw(crossings.filter(({ from, to }) => floorOf(from) >= floorOf(to))), []);
});

test('a room is entered by its door', (t) => {
  t.deepEqual(draw(crossings.filter(({ to }) => to.includes('/') && !/^(\w+|frontend\/\w+)\/index\.ts$/.test(to))), []);
});

test('nobody uses the own door from inside a room', (t) => {
  t.deepEqual(draw(imports.filter(({ from, to }) => roomOf(from) === roomOf(to) && /^\w+\/index\.ts$/.test(to))), []);
});

test('settings are read by main and gateway only', (t) => {
  t.deepEqual(draw(crossings.filter(({ from, to }) => roomOf(to) === 'config' && !READERS_OF_CONFIG.includes(from))), []);
});

test('the top level of the repository holds what it may hold', (t) => {
  t.deepEqual(
    readdirSync('.').filter((entry) => !TOP_LEVEL.test(entry) && !MADE_BY_NPM.test(entry)),
    [],
  );
});

test('the parser sees every kind of import', (t) => {
  const source = `
    import a from './a.ts';
    import type { B } from './b.ts';
    export * from './c.ts';
    export type { D } from './d.ts';
    let e: import('./e.ts').E;
    const f = await import('./f.ts');
    import './g.ts'; // import './not.ts'
    const text = "import './not.ts'";
  `;
  t.deepEqual(importedPaths(source), ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts', './g.ts']);
});

test('a cycle is found with its way', (t) => {
  const arrows = (text: string) => text.split(' ').map((arrow) => ({ from: arrow[0] ?? '', to: arrow[1] ?? '' }));
  t.deepEqual(findCycle(arrows('ab bc cd db')), ['b', 'c', 'd', 'b']);
  t.deepEqual(findCycle(arrows('aa')), ['a', 'a']);
  t.is(findCycle(arrows('ab ac bd cd')), undefined);
});
