import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
const ESTABLISHED = '01';
const KEEP_ALIVE_TIMER = '02';

/**
 * When the kernel asks the peers of this port's open connections whether they still live, in milliseconds from now; undefined for a connection of which it
 * will not ask. `local`: the connections that were accepted on the port, `remote`: those that were opened to it. From `/proc/net/tcp`.
 */
function probesInMs(port: number, side: 'local' | 'remote'): readonly (number | undefined)[] {
  const address = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', remote = '', state]) => state === ESTABLISHED && (side === 'local' ? local : remote).endsWith(address))
    .map(([, , , , , timer = '']) => {
      const [kind, ticks = ''] = timer.split(':');
      return kind === KEEP_ALIVE_TIMER ? (Number.parseInt(ticks, 16) / TICKS_PER_SECOND) * 1000 : undefined;
    });
}

/** How many connections to this port are open at its end. */
export function acceptedConnections(port: number): number {
  return probesInMs(port, 'local').length;
}

/** Whether there is one such connection, and its peer is asked within a minute. */
export function isProbed(port: number, side: 'local' | 'remote'): boolean {
  const [first, ...others] = probesInMs(port, side);
  return first !== undefined && first <= 60_000 && others.length === 0;
}
