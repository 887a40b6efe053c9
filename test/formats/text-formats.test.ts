import test from 'ava';
import { BodyHead, splicerOf } from '../../src/formats/index.ts';
import { GUARD, splice } from '../helpers/splice.ts';

const ALIASES = {
  JSONEachRow: ['JSONL', 'JSONLines', 'NDJSON'],
  TabSeparated: ['TSV'],
  TabSeparatedRaw: ['TSVRaw', 'Raw'],
  TabSeparatedWithNames: ['TSVWithNames'],
  TabSeparatedRawWithNamesAndTypes: ['TSVRawWithNamesAndTypes', 'RawWithNamesAndTypes', 'rawwithnamesandtypes'],
};

for (const [format, aliases] of Object.entries(ALIASES)) {
  test(`${format} is spliced by each of its names`, (t) => {
    for (const alias of aliases) t.is(splicerOf(alias), splicerOf(format), alias);
    t.truthy(splicerOf(format));
  });
}

test('names that only look like those of formats are not spliced', (t) => {
  for (const name of ['Rawx', 'TSVRawWith', 'JSONLX', 'constructor', 'CSVWithTypes']) t.is(splicerOf(name), undefined, name);
});

test('every value of a JSONStringsEachRow row is a string, the carried ones in hexadecimal', (t) => {
  const { body } = splice('JSONStringsEachRow', [{ value: '{"a":"1"}', key: 'NULL', headers: [['h', 'v']] }], { allFields: true });
  t.is(body, '{"zz0":"410003","zz2":"1700000000000","zz3":"4e554c4c","zz4":".68","zz5":".76","a":"1"}\n');
});

test('compact JSON rows begin with the guard and the metadata', (t) => {
  const { body, rows } = splice('JSONCompactEachRow', ['[1,"a"]', ' [ ]', '[2,["]"]]\n[3,{}];[4,[]]', '[5],[6]']);
  t.deepEqual(rows, [1, 1, 3, 2]);
  t.is(
    body,
    `[${GUARD},410003,1,"a"]\n[${GUARD},420003]\n` +
      `[${GUARD},430003,2,["]"]]\n[${GUARD},430003,3,{}]\n[${GUARD},430003,4,[]]\n[${GUARD},440003,5]\n[${GUARD},440003,6]\n`,
  );
});

test('keys and headers travel with compact JSON rows', (t) => {
  const message = { value: '["1"]', key: '"', headers: [['h', 'v"']] as const };
  t.is(splice('JSONCompactEachRow', [message], { allFields: true }).body, `[${GUARD},410003,1700000000000,"\\"",["h"],["v\\""],"1"]\n`);
  t.is(
    splice('JSONCompactStringsEachRow', [message], { allFields: true }).body,
    `["${GUARD}","410003","1700000000000","22",".68",".7622","1"]\n`,
  );
});

test('a compact JSON message that is not a plain sequence of arrays goes alone', (t) => {
  for (const value of ['[1', '1]', '[1]]', '[1],', '[1];', '{"a":1}', '[1}', '["\\u"],[1]', '["a],[1]', '[1]x', '\ufeff[1]', '[1],,[2]'])
    t.deepEqual(splice('JSONCompactEachRow', [value]), { body: '', rows: ['alone'] }, value);
});

test('messages with the same line of names give their rows to one body', (t) => {
  const { body, rows } = splice('CSVWithNames', ['a,"b"\r\n1,x\n2,y', 'a,"b"\r\n3,z\n']);
  t.deepEqual(rows, [2, 1]);
  t.is(body, `zzg,zz0,a,"b"\n${GUARD},410003,1,x\n${GUARD},410003,2,y\n${GUARD},420003,3,z\n`);
});

test('a message with other names, or with nothing but names, goes alone', (t) => {
  t.deepEqual(splice('CSVWithNames', ['a,b\n1,x', 'b,a\nx,1', 'a,b\n', 'a,b', 'a,b\n2,y']).rows, [1, 'alone', 'alone', 'alone', 1]);
  t.deepEqual(splice('CSVWithNames', ['a,b\n']).rows, ['alone']);
});

test('a message that goes alone does not fix the names of the common body', (t) => {
  const head = new BodyHead();
  t.deepEqual(splice('TSVWithNames', ['a\n1\r\n', '\ufeffa\n1\n', '\n1\n', 'a\\\nb\n1'], { head }).rows, [
    'alone',
    'alone',
    'alone',
    'alone',
  ]);
  t.is(head.bytes, undefined);
});

test('after the head is forgotten another message fixes it', (t) => {
  const head = new BodyHead();
  t.deepEqual(splice('TSVWithNames', ['a\n1'], { head }).rows, [1]);
  t.deepEqual(splice('TSVWithNames', ['b\n1'], { head }).rows, ['alone']);
  head.bytes = undefined;
  t.deepEqual(splice('TSVWithNames', ['b\n1'], { head }), { body: `zzg\tzz0\tb\n${GUARD}\t410003\t1\n`, rows: [1] });
});

test('lines of names and types get those of the carried fields in front', (t) => {
  t.is(
    splice('TSVWithNamesAndTypes', [{ value: 'a\tb\nUInt8\tString\n1\tx\n', key: 'k' }], { allFields: true }).body,
    'zzg\tzz0\tzz2\tzz3\tzz4\tzz5\ta\tb\nUInt32\tUInt64\tInt64\tString\tString\tString\tUInt8\tString\n' +
      `${GUARD}\t410003\t1700000000000\t6b\t\t\t1\tx\n`,
  );
  const json = splice('JSONCompactEachRowWithNamesAndTypes', ['["a"],["UInt8"]\n[1]', '["a"],["UInt8"]\n[2] [3]', '["a"]\n["UInt8"]\n[4]']);
  t.deepEqual(json.rows, [1, 2, 'alone']);
  t.is(json.body, `["zzg","zz0","a"]\n["UInt32","UInt64","UInt8"]\n[${GUARD},410003,1]\n[${GUARD},420003,2]\n[${GUARD},420003,3]\n`);
});

test('a delimiter that may be part of a name is not spliced where lines of names are', (t) => {
  const settings = { format_csv_delimiter: 'x' };
  t.deepEqual(splice('CSV', ['1x2'], { settings }).rows, [1]);
  t.deepEqual(splice('CSVWithNames', ['axb\n1x2'], { settings }).rows, ['alone']);
});

test('a message goes alone whose last field means something else in front of a line break', (t) => {
  for (const value of ['x\t', 'x\t-', 'x\t1e', 'x\t1e+', 'x\t.E', 'x\t\\x', 'x\t\\x4']) {
    t.deepEqual(splice('TSV', [value]).rows, ['alone'], value);
    t.deepEqual(splice('TSV', [`${value}\ny\t1`, `${value}\n`]).rows, [2, 1], value);
  }
  t.deepEqual(splice('CSV', ['x,1e', 'x,-', 'x,name', 'x,', 'x,1e\n']).rows, ['alone', 'alone', 1, 1, 1]);
  const settings = { input_format_csv_allow_variable_number_of_columns: '1' };
  t.deepEqual(splice('CSV', ['x,', 'x,\n', 'x'], { settings }).rows, ['alone', 1, 1]);
  t.deepEqual(splice('TSV', ['x\tname', 'x\t\\x41']).rows, [1, 1]);
});

test('raw TSV rows end at every line break, behind a backslash as well', (t) => {
  t.is(splice('TSVRaw', ['1\ta\\\n2\tb']).body, `${GUARD}\t410003\t1\ta\\\n${GUARD}\t410003\t2\tb\n`);
  t.deepEqual(splice('TSVRaw', ['1\ta\r\n', '1\n\n2', '\ufeff1']).rows, ['alone', 'alone', 'alone']);
});

test('TSKV rows carry the metadata as fields of their own', (t) => {
  const { body, rows } = splice('TSKV', [{ value: 'a=1\ttskv\nb=x\\ny\n', key: '\t' }], { allFields: true });
  t.deepEqual(rows, [2]);
  const carried = 'zz0=410003\tzz2=1700000000000\tzz3=09\tzz4=\tzz5=\t';
  t.is(body, `${carried}a=1\ttskv\n${carried}b=x\\ny\n`);
});

test('a TSKV message without a line break at its end, with an empty or an escaped one goes alone', (t) => {
  for (const value of ['a=1', 'a=1\n\n', '\n', 'a=1\\\n', 'a=1\\\nb\n', '\ufeffa=1\n'])
    t.deepEqual(splice('TSKV', [value]).rows, ['alone'], value);
});

test('rows of Values carry the metadata as literals', (t) => {
  const { body, rows } = splice('Values', [{ value: "(1,'x'),\n( 2 , 'it''s \\'(' ) (NULL,[1,-2.5e3],{'a':(1,true)})", key: "'" }], {
    allFields: true,
  });
  t.deepEqual(rows, [3]);
  const carried = `(${GUARD},410003,1700000000000,'27','','',`;
  t.is(body, `${carried}1,'x')\n${carried} 2 , 'it''s \\'(' )\n${carried}NULL,[1,-2.5e3],{'a':(1,true)})\n`);
});

test('a Values message with anything but literals goes alone', (t) => {
  for (const value of [
    '(1+1)',
    '(now())',
    '(a)',
    "(1) -- ')",
    '(1 /* */)',
    '(1);',
    '(1',
    '1)',
    "('a)",
    '(1]',
    '(1)) ',
    '("a")',
    '(1),,(2)',
    '(--1)',
  ])
    t.deepEqual(splice('Values', [value]), { body: '', rows: ['alone'] }, value);
  t.deepEqual(splice('Values', [' \n'], {}).rows, [0]);
});

test("a Values message with a literal of another type than its column's goes alone", (t) => {
  const columns = ['UInt8', 'Nullable(Int64)', 'LowCardinality(String)', 'Float64'].map((type, i) => ({ name: `c${i}`, type }));
  for (const value of [
    "('1',1,'',1)",
    "(-1,1,'',1)",
    "(1.0,1,'',1)",
    "(1e3,1,'',1)",
    "(1,- 1,'',1)",
    '(1,1,2,1)',
    '(1,1,[],1)',
    "(,1,'',1)",
  ])
    t.deepEqual(splice('Values', [value], { columns }).rows, ['alone'], value);
  t.deepEqual(splice('Values', ["( 1 , -1 , 'x' , -1.5)", '(NULL,NULL,DEFAULT,1)', "(1,1,'a,b','1',2)"], { columns }).rows, [1, 1, 1]);
});

test('rows of CustomSeparated carry the metadata in front', (t) => {
  t.is(splice('CustomSeparated', ['1\tx\n2\ty\n']).body, `${GUARD}\t410003\t1\tx\n${GUARD}\t410003\t2\ty\n`);
  const settings = {
    format_custom_escaping_rule: 'Quoted',
    format_custom_field_delimiter: ' | ',
    format_custom_row_before_delimiter: '<ü>',
    format_custom_row_after_delimiter: '</ü>',
  };
  const utf8 = (text: string) => Buffer.from(text).toString('latin1');
  t.is(
    splice('CustomSeparated', [{ value: "<ü>1 | 'x'</ü><ü>2 | ''</ü>", key: 'k' }], { settings, allFields: true }).body,
    utf8(
      `<ü>${GUARD} | 410003 | 1700000000000 | '6b' | '' | '' | 1 | 'x'</ü><ü>${GUARD} | 410003 | 1700000000000 | '6b' | '' | '' | 2 | ''</ü>`,
    ),
  );
  t.deepEqual(splice('CustomSeparated', ["<ü>1 | '</ü>'</ü>", "<ü>1 | 'x'</ü>\n", "1 | 'x'</ü>", '<ü></ü>'], { settings }).rows, [
    'alone',
    'alone',
    'alone',
    'alone',
  ]);
});

test('a line of names of CustomSeparated is written by the same rule', (t) => {
  const settings = { format_custom_escaping_rule: 'CSV', format_custom_field_delimiter: ';' };
  t.is(splice('CustomSeparatedWithNames', ['a;b\n1;"x;y"\n'], { settings }).body, `"zzg";"zz0";a;b\n${GUARD};410003;1;"x;y"\n`);
});

test('CustomSeparated with delimiters that stand once a message, or in what is carried, is not spliced', (t) => {
  for (const settings of [
    { format_custom_result_before_delimiter: '<table>' },
    { format_custom_result_after_delimiter: '</table>' },
    { format_custom_row_between_delimiter: ',' },
    { format_custom_field_delimiter: '1' },
    { format_custom_escaping_rule: 'XML' },
  ]) {
    t.deepEqual(splice('CustomSeparated', ['1\tx\n'], { settings: settings as unknown as Record<string, string> }).rows, ['alone']);
  }
});
