// Turns grammar/kafka-ddl.peggy into src/sql/parser.generated.ts. Run by `npm run grammar`, and so by every build.
import { readFileSync, writeFileSync } from 'node:fs';
import peggy from 'peggy';

const grammar = new URL('kafka-ddl.peggy', import.meta.url);
const target = new URL('../src/sql/parser.generated.ts', import.meta.url);
const grammarSource = 'grammar/kafka-ddl.peggy';

const source = peggy.generate([{ source: grammarSource, text: readFileSync(grammar, 'utf8') }].at(0).text, {
  format: 'es',
  grammarSource,
  output: 'source',
});
// TypeScript, so that tsx and tsc treat it as any other file of the room; its inside is peggy's and not checked.
writeFileSync(target, `// @ts-nocheck Generated from ${grammarSource} by peggy: change that file and run \`npm run grammar\`.\n${source}`);
