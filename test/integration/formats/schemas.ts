import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../parts/folder.ts';

/** What cannot be given as text in a setting. */
const FILES = {
  'row.template': 'id: ${id:CSV}; name: ${name:JSON}; note: ${note:JSON}; tags: ${tags:JSON}; price: ${price:CSV} end',
  'rows.template': '<< ${data} >>',
  'tight.template': 'id:${id:CSV};name:${name:JSON};note:${note:JSON};tags:${tags:JSON};price:${price:CSV};',
  'tight-rows.template': '<<${data}>>',
  'message.proto':
    'syntax = "proto3"; message Row { uint64 id = 1; string name = 2; optional string note = 3; repeated string tags = 4; double price = 5; }',
  'colour.proto': 'syntax = "proto3"; enum Colour { RED = 0; GREEN = 1; BLUE = 2; } message Row { Colour colour = 1; }',
} as const;

const folder = makeFolder('schemas');
for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);

/** The path of a schema's file. libchdb takes any path; a server only those below its `format_schema_path`. */
export function schemaFile(name: keyof typeof FILES): string {
  return join(folder, name);
}
