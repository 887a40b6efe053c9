import { flagOf, SETTINGS, type Config } from './settings.ts';

/** The sentence for a port that could not be listened on, or undefined when `error` is something else. */
export function listenProblem(error: unknown, config: Config): string | undefined {
  const { code, syscall, port } = (error ?? {}) as Partial<NodeJS.ErrnoException> & { port?: number };
  if (syscall === 'getaddrinfo') return `host: '${config.host}' cannot be resolved (${code}): it must be an address of this machine.`;
  if (syscall !== 'listen') return undefined;
  const key = (['httpPort', 'nativePort', 'httpsPort', 'nativePortSecure', 'adminPort'] as const).find(
    (candidate) => config[candidate] === port,
  );
  const name = key === undefined ? 'port' : SETTINGS[key].name;
  if (code === 'EADDRINUSE')
    return `${name}: port ${port} on ${config.host} is in use: stop what listens there or choose another with ${flagOf(name)}.`;
  if (code === 'EACCES') return `${name}: this user may not listen on port ${port}: choose one above 1023 with ${flagOf(name)}.`;
  if (code === 'EADDRNOTAVAIL') return `host: '${config.host}' is not an address of this machine.`;
  return `${name}: port ${port} on ${config.host} cannot be listened on (${code}).`;
}
