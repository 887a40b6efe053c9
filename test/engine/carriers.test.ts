import test from 'ava';
import { HEX_DECODING, POSITION_SOURCES } from '../../src/engine/index.ts';
import { SOURCES_OF_A_POSITION, splicerOf } from '../../src/formats/index.ts';

test('landing tables read positions as the formats write them', (t) => {
  t.is(POSITION_SOURCES, SOURCES_OF_A_POSITION);
});

test('landing tables read hexadecimal text and lists as the formats write them', (t) => {
  const csv = splicerOf('CSV');
  t.is(csv?.decodeText('x'), HEX_DECODING.text('x'));
  t.is(csv?.decodeList('x'), HEX_DECODING.list('x'));
});
