import test from 'ava';
import { SECRET_SETTINGS, secretSettingsClause, withoutPossibleSecrets, withoutSecretSettings } from '../../src/engine/index.ts';
import { maskSecret } from '../../src/engine/secrets.ts';

const URL_SETTING = 'format_avro_schema_registry_url';

for (const [address, shown] of [
  ['http://u:p@h/x', 'http://u:[HIDDEN]@h/x'],
  ['http://u:p/a@s@h/x', 'http://u:[HIDDEN]@h/x'],
  ['http://u:p#a?b@h', 'http://u:[HIDDEN]@h'],
  ['https://u:p:q@h:1/', 'https://u:[HIDDEN]@h:1/'],
  [' http://u:p\n@h', ' http://u:[HIDDEN]@h'],
  ['http:\\\\u:p@h', 'http:\\\\u:[HIDDEN]@h'],
  ['http:u:p@h', 'http:[HIDDEN]@h'],
  ['u:p@h', 'u:[HIDDEN]@h'],
  ['http://token@h', 'http://[HIDDEN]@h'],
  ['http://a:1@h,http://b:2@i', 'http://a:[HIDDEN]@i'],
  ['http://h:8081/subjects', 'http://h:8081/subjects'],
  ['nothing', 'nothing'],
  ['', ''],
] as const) {
  test(`the address ${JSON.stringify(address)} is shown as ${JSON.stringify(shown)}`, (t) => {
    t.is(maskSecret(URL_SETTING, address), shown);
  });
}

test('a secret setting shows nothing of its value, an address shows no password whatever the setting, and other texts are shown', (t) => {
  for (const name of SECRET_SETTINGS) t.is(maskSecret(name, 'hunter2'), '[HIDDEN]');
  t.is(maskSecret('kafka_broker_list', 'sasl://u:p@h'), 'sasl://u:[HIDDEN]@h');
  t.is(maskSecret('format_regexp', 'a:b@c'), 'a:b@c');
});

test('an address of a megabyte is hidden in no time', (t) => {
  const start = performance.now();
  maskSecret(URL_SETTING, `${'/'.repeat(1 << 20)}:`);
  maskSecret(URL_SETTING, `http://${'u:'.repeat(1 << 19)}@h`);
  t.true(performance.now() - start < 1000);
});

for (const [statement, shown] of [
  [
    "CREATE TABLE q (a Int8 SETTINGS kafka_sasl_password = 'hün''ter\\'2', b = 'c'",
    "CREATE TABLE q (a Int8 SETTINGS kafka_sasl_password = '************', b = '*'",
  ],
  ["kafka_sasl_pasword = 'hunter2'", "kafka_sasl_pasword = '*******'"],
  ["kafka_sasl_password = 'hunter2", "kafka_sasl_password = '*******"],
  ['kafka_sasl_password = hunter-2a, b', 'kafka_sasl_password = xxxxxx-xx, b'],
  ['kafka_sasl_password "hunter2"', 'kafka_sasl_password "xxxxxxx"'],
  ['kafka_sasl_password = $a$hunter2$a$', 'kafka_sasl_password = $a$*******$a$'],
  ["kafka_sasl_password = x'6869'", "kafka_sasl_password = x'0000'"],
  ["-- it's\nkafka_sasl_password = 'hunter\n2'", "-- it's\nkafka_sasl_password = '******\n*'"],
  ["url = 'http://u:p@h'", "url = '************'"],
  ["CREATE TABLE q (a Int8) COMMENT 'x'", "CREATE TABLE q (a Int8) COMMENT 'x'"],
] as const) {
  test(`a parser is shown ${JSON.stringify(statement)} without its secrets, and of the same length`, (t) => {
    t.is(withoutPossibleSecrets(statement), shown);
    t.is(Buffer.byteLength(shown), Buffer.byteLength(statement));
  });
}

test('secrets go with the statement, all other settings with the request', (t) => {
  const settings = { [URL_SETTING]: "http://u:it's@h/", format_csv_delimiter: ';' };
  t.deepEqual(withoutSecretSettings(settings), { format_csv_delimiter: ';' });
  t.is(secretSettingsClause(settings), ` SETTINGS ${URL_SETTING} = 'http://u:it\\'s@h/', log_query_settings = 0`);
  t.is(secretSettingsClause({ format_csv_delimiter: ';' }), '');
});
