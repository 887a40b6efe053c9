// Runs one ClickHouse server inside this process: libchdb's command line entry, blocking until the process is killed.
// Usage: node server.mjs <folder with node_modules> <argument of `clickhouse`>…
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, ...args] = process.argv.slice(2);
const require = createRequire(join(folder, 'package.json'));
const { open, load, DataType } = require('ffi-rs');

open({ library: 'chdb', path: require.resolve('@chdb/lib-linux-x64-gnu/libchdb.so') });
const argv = ['clickhouse', ...args];
load({
  library: 'chdb',
  funcName: 'chdb_query_cmdline',
  retType: DataType.External,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [argv.length, argv],
});
