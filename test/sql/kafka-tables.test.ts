import test from 'ava';
import { readFileSync } from 'node:fs';
import { mentionsKafkaEngine, parseStatement, textOf, type CreateTable, type TableElement } from '../../src/sql/index.ts';

/** What a statement of the fixture says, as the fixture spells it. */
interface Facts {
  readonly table: string;
  readonly engine: string;
  readonly arguments?: readonly string[];
  readonly columns?: readonly string[];
  readonly settings?: readonly string[];
  readonly comment?: string;
}

const fixture = readFileSync(new URL('../fixtures/statements/kafka-tables.txt', import.meta.url), 'utf8');

function readFixture(): { title: string; facts: Facts; sql: string }[] {
  return fixture
    .split(/^=== /m)
    .slice(1)
    .map((part) => {
      const head = part.slice(0, part.indexOf('\n---\n'));
      const [title = '', ...lines] = head.split('\n');
      const facts = Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf(':')), JSON.parse(line.slice(line.indexOf(':') + 1)) as unknown]),
      );
      return { title, facts: facts as unknown as Facts, sql: part.slice(head.length + 5).replace(/\n$/, '') };
    });
}

function describeElement(element: TableElement): string {
  if (element.kind !== 'column') return element.kind;
  return [element.name, element.type, element.defaultKind].filter((part) => part !== undefined).join(' ');
}

function factsOf(sql: string, tree: CreateTable): Facts {
  const { name, engine, elements, comment } = tree;
  const settings = tree.settings.flatMap(({ scope, assignments }) => assignments.map((one) => `${scope} ${one.name}=${one.value.text}`));
  return {
    table: name.database === undefined ? name.table : `${name.database}.${name.table}`,
    engine: engine?.name ?? '',
    ...(engine?.args && { arguments: engine.args.map((argument) => textOf(sql, argument.span)) }),
    ...(elements && { columns: elements.items.map(describeElement) }),
    ...(settings.length > 0 && { settings }),
    ...(comment && { comment: comment.value }),
  };
}

for (const { title, facts, sql } of readFixture()) {
  test(`is read as it was meant: ${title}`, (t) => {
    const result = parseStatement(sql);
    if (!result.ok || result.statement.kind !== 'create-table') return t.fail(JSON.stringify(result));
    t.deepEqual(factsOf(sql, result.statement), facts);
    t.is(mentionsKafkaEngine(sql), facts.engine === 'Kafka');
    t.regex(sql.slice(result.statement.end), /^(?:\s|;|FORMAT JSON|--.*|\/\/.*)*$/, 'nothing but the tail follows the end');
  });
}

test('the fixture holds at least sixty statements', (t) => {
  t.true(readFixture().length >= 60);
});
