/** Where a broker listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** librdkafka's, where a broker list names none. */
const DEFAULT_PORT = 9092;

/** An item of a broker list: `host`, `host:port` or `[IPv6]:port`; undefined when it is none of these. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

/** The same item of a broker list with its port; what is no address stays as it is. */
export function withPort(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : addressText(address);
}

export function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
