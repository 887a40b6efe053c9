// Copies the one file of node-sql-parser that we use (252 kB of a package of 89 MB) to <folder>/trino.generated.cjs.
// `npm run grammar` puts it beside the sources, `npm run build` into the package.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const { version, license } = require('node-sql-parser/package.json');
const parser = readFileSync(require.resolve('node-sql-parser/build/trino.js'), 'utf8').replace(/\/\/# sourceMappingURL=.*\s*$/, '');
const [folder = '.'] = process.argv.slice(2);
writeFileSync(
  join(folder, 'trino.generated.cjs'),
  `/*! node-sql-parser ${version}, build/trino.js, ${license}, https://github.com/taozhi8833998/node-sql-parser */\n${parser}\n`,
);
