import test from 'ava';
import { listenProblem, loadConfig, type Config } from '../../src/config/index.ts';

function config(): Config {
  const loaded = loadConfig({ argv: ['--host=localhost'], env: {}, readFile: () => '' });
  if (loaded.kind !== 'config') throw new Error(loaded.kind);
  return loaded.config;
}

/** The sentence for the error that Node's `listen` gives. */
function sentence(code: string, port: number, syscall = 'listen'): string | undefined {
  return listenProblem(Object.assign(new Error(code), { code, syscall, port }), config());
}

test('a port in use names the setting and the flag', (t) => {
  t.is(
    sentence('EADDRINUSE', 9364),
    'admin_port: port 9364 on localhost is in use: stop what listens there or choose another with --admin-port.',
  );
});

test('a port that needs rights says which ones do not', (t) => {
  t.is(sentence('EACCES', 8124), 'http_port: this user may not listen on port 8124: choose one above 1023 with --http-port.');
});

test('a host that is elsewhere or nowhere is named', (t) => {
  t.is(sentence('EADDRNOTAVAIL', 8124), "host: 'localhost' is not an address of this machine.");
  t.is(
    sentence('ENOTFOUND', 8124, 'getaddrinfo'),
    "host: 'localhost' cannot be resolved (ENOTFOUND): it must be an address of this machine.",
  );
});

test('any other reason is told with its code', (t) => {
  t.is(sentence('EMFILE', 9001), 'native_port: port 9001 on localhost cannot be listened on (EMFILE).');
});

test('an error that has nothing to do with listening is not explained', (t) => {
  t.is(sentence('ECONNREFUSED', 8123, 'connect'), undefined);
  t.is(listenProblem(new Error('boom'), config()), undefined);
  t.is(listenProblem(undefined, config()), undefined);
});
