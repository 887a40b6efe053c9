// Runs one ClickHouse server inside this process: libchdb's command line entry, blocking until the process is killed.
// Usage: node server.mjs <folder with node_modules> <argument of `clickhouse`>…
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, ...args] = process.argv.slice(2);
const require = createRequire(join(folder, 'package.json'));
const { open, load, DataType } = require('ffi-rs');

open({ library: 'chdb', path: require.resolve('@chdb/lib-linux-x64-gnu/libchdb.so') });

// A server logs an exception that leaves the thread of a connection (the peer's reset, a refused login) and goes on. A command line client ends its
// process instead, unless it is interactive: so it gets a terminal, at which nobody types (ClickHouse: ServerErrorHandler, KillingErrorHandler).
closeSync(0);
if (openSync('/dev/ptmx', 'r+') !== 0) throw new Error('standard input is no terminal');
const argv = ['clickhouse', '--interactive', ...args];
load({
  library: 'chdb',
  funcName: 'chdb_query_cmdline',
  retType: DataType.External,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [argv.length, argv],
});
