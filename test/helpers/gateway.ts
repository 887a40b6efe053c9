import test, { type ExecutionContext } from 'ava';
import { startGateway, type GatewayOptions, type GatewayPart } from '../parts/gateway.ts';
import { ownClickHouse, useClickHouse } from './servers.ts';

// A gateway runs every Kafka table of its server: with a common one, the files' gateways would be members of each other's groups, also when they are killed.
ownClickHouse();

let shared: Promise<GatewayPart> | undefined;

test.after.always('the gateway of this file is stopped', async () => {
  await (await shared)?.stop();
});

/** A gateway for this test alone, in front of the file's ClickHouse if `options` name no other; stopped when the test ends. */
export async function useGateway(t: ExecutionContext, options: Partial<GatewayOptions> = {}): Promise<GatewayPart> {
  const gateway = await startGateway(await withServer(options));
  t.teardown(async () => gateway.stop());
  return gateway;
}

/** One gateway for all tests of the file, in front of its ClickHouse. Also in `before` hooks. */
export async function useSharedGateway(_t?: ExecutionContext): Promise<GatewayPart> {
  shared ??= withServer({}).then(startGateway);
  return shared;
}

async function withServer(options: Partial<GatewayOptions>): Promise<GatewayOptions> {
  if (options.clickHouseUrl !== undefined) return { ...options, clickHouseUrl: options.clickHouseUrl };
  const { url, nativePort } = await useClickHouse();
  return { clickHouseNativePort: nativePort, ...options, clickHouseUrl: url };
}
