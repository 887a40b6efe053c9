import test, { type ExecutionContext } from 'ava';
import { startGateway, type GatewayOptions, type GatewayPart } from '../parts/gateway.ts';
import { ownClickHouse, useClickHouse } from './servers.ts';

// A gateway runs every Kafka table of its server: with a common one, the files' gateways would be members of each other's groups, also when they are killed.
ownClickHouse();

export { UNCHECKED } from '../parts/gateway.ts';

let sharedOptions: Partial<GatewayOptions> = {};
let shared: Promise<GatewayPart> | undefined;
/** Titles of the tests that have gateways of their own in front of the file's ClickHouse now. */
const owners = new Map<GatewayPart, string>();

test.after.always('the gateway of this file is stopped', async () => {
  await (await shared)?.stop();
});

/** A gateway for this test alone, in front of the file's ClickHouse if `options` name no other; stopped when the test ends. */
export async function useGateway(t: ExecutionContext, options: Partial<GatewayOptions> = {}): Promise<GatewayPart> {
  const gateway = await startGateway(await withServer(options));
  if (options.clickHouseUrl === undefined) owners.set(gateway, t.title);
  t.teardown(async () => {
    await gateway.stop();
    owners.delete(gateway);
  });
  return gateway;
}

/** Throws when another test's gateway would read this test's topics, as a member of their groups. */
export function assertNoStranger(t: ExecutionContext): void {
  const stranger = [...owners.values()].find((title) => title !== t.title);
  if (stranger !== undefined) throw new Error(`tests with gateways of their own must be serial: one of “${stranger}” is running`);
}

/** The gateway that all tests of the file share is one with these options. Call while the file is being loaded. */
export function shareGateway(options: Partial<GatewayOptions>): void {
  sharedOptions = options;
}

/** One gateway for all tests of the file, in front of its ClickHouse. Also in `before` hooks. */
export async function useSharedGateway(_t?: ExecutionContext): Promise<GatewayPart> {
  shared ??= withServer(sharedOptions).then(startGateway);
  return shared;
}

async function withServer(options: Partial<GatewayOptions>): Promise<GatewayOptions> {
  if (options.clickHouseUrl !== undefined) return { ...options, clickHouseUrl: options.clickHouseUrl };
  const { url, nativePort } = await useClickHouse();
  return { clickHouseNativePort: nativePort, ...options, clickHouseUrl: url };
}
