import type { ClickHousePart } from '../parts/clickhouse.ts';
import { startGateway, type GatewayPart } from '../parts/gateway.ts';

/** The built gateway in front of the bench's server, which logs nothing but warnings and errors. */
export async function startBenchGateway(clickHouse: ClickHousePart, env: Readonly<Record<string, string>> = {}): Promise<GatewayPart> {
  return startGateway({
    clickHouseUrl: clickHouse.url,
    clickHouseNativePort: clickHouse.nativePort,
    built: true,
    env: { SLUICE_LOG_LEVEL: 'warn', ...env },
  });
}

/** One statement through the gateway; throws its error. */
export async function sendThrough({ url }: Pick<GatewayPart, 'url'>, sql: string): Promise<string> {
  const response = await fetch(url, { method: 'POST', body: sql });
  const body = await response.text();
  if (!response.ok) throw new Error(body);
  return body;
}
