import { lookup } from 'node:dns';
import { lookup as resolve } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { LINK_LOCAL, type HostRules } from './rules.ts';

/** A host that the operator does not let the gateway connect to. The message is for whoever named it: it tells neither the list nor what a name resolves to. */
export class ReachError extends Error {
  override readonly name = 'ReachError';

  constructor(host: string, port: number, setting: string, why: string) {
    const url = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
    super(
      `URL "${url}" is not allowed in the configuration of the gateway, see ${setting}: ${why}. Ask the gateway's operator to allow it`,
    );
  }
}

const UNLISTED = 'the host is not among those that may be connected to';
const UNLISTED_ADDRESS = 'its address is not among those that may be connected to';
const IS_LINK_LOCAL = 'link-local addresses, cloud metadata among them, must be listed as such';

/**
 * Which hosts of one kind may be connected to, by a setting of the operator's:
 *
 * - An entry with `!` refuses and wins. Where no other entries are, everything else is allowed.
 * - A name is allowed by an entry for names, or else when its addresses are allowed by entries for addresses.
 * - Addresses are looked at wherever they come from: a refused one is refused behind an allowed name, too, and a link-local one unless an entry for
 *   nothing but such addresses allows it.
 */
export class Reach {
  readonly #setting: string;
  #rules: HostRules = [];

  constructor(setting: string) {
    this.#setting = setting;
  }

  /** From now on, for connections that are opened then. */
  limitTo(rules: HostRules): void {
    this.#rules = rules;
  }

  /** Throws a `ReachError` for what can be said before a name is resolved. */
  assertHost(host: string, port: number): void {
    if (isIP(host) !== 0) this.#assertAddress(host, { host, port });
    else if (this.#judgeName(host, port) === 'refused') throw new ReachError(host, port, this.#setting, UNLISTED);
  }

  /** As `assertHost`, and asks for the addresses of a name where only they can tell; one that cannot be resolved is not refused here. */
  async assertReachable(host: string, port: number): Promise<void> {
    this.assertHost(host, port);
    if (isIP(host) !== 0 || this.#judgeName(host, port) === 'allowed') return;
    const found = await resolve(host, { all: true }).catch(() => []);
    if (found.length > 0) this.#allowedOf(found, { host, port });
  }

  /** The `lookup` of a socket to this port: answers allowed addresses only, or a `ReachError`. Not called by Node for a host that is an address. */
  lookupFor(port: number): LookupFunction {
    return (host, options, callback) => {
      lookup(host, { ...options, all: true }, (error, found) => {
        if (error !== null) {
          callback(error, '', 0);
          return;
        }
        try {
          const allowed = this.#allowedOf(found, { host, port });
          if (options.all === true) callback(null, allowed);
          else callback(null, allowed[0]?.address ?? '', allowed[0]?.family ?? 0);
        } catch (refused) {
          callback(refused as Error, '', 0);
        }
      });
    };
  }

  #allowedOf<Found extends { readonly address: string }>(found: readonly Found[], named: Named): Found[] {
    const allowed = found.filter(({ address }) => this.#whyNot(address, named) === undefined);
    const [first] = found;
    if (allowed.length === 0 && first !== undefined) this.#assertAddress(first.address, named);
    return allowed;
  }

  #assertAddress(address: string, named: Named): void {
    const why = this.#whyNot(address, named);
    if (why !== undefined) throw new ReachError(named.host, named.port, this.#setting, why);
  }

  #judgeName(host: string, port: number): 'allowed' | 'refused' | 'by its addresses' {
    const name = host.toLowerCase().replace(/\.$/, '');
    const rules = this.#rulesFor(port);
    const matching = rules.filter(({ host: pattern }) => pattern.kind === 'name' && pattern.matches(name));
    if (matching.some(({ refuses }) => refuses)) return 'refused';
    if (matching.length > 0 || this.#rules.every(({ refuses }) => refuses)) return 'allowed';
    return rules.some(({ host: pattern, refuses }) => !refuses && pattern.kind === 'address') ? 'by its addresses' : 'refused';
  }

  #whyNot(address: string, { host, port }: Named): string | undefined {
    const matching = this.#rulesFor(port).flatMap(({ refuses, host: pattern }) =>
      pattern.kind === 'address' && pattern.matches(address) ? [{ refuses, isLinkLocal: pattern.isLinkLocal }] : [],
    );
    if (matching.some(({ refuses }) => refuses)) return UNLISTED_ADDRESS;
    if (LINK_LOCAL(address) && !matching.some(({ isLinkLocal }) => isLinkLocal)) return IS_LINK_LOCAL;
    // `*` allows every host, also one that is named by its address.
    return matching.length > 0 || this.#judgeName(host, port) === 'allowed' ? undefined : UNLISTED_ADDRESS;
  }

  #rulesFor(port: number): HostRules {
    return this.#rules.filter(({ ports }) => ports.first <= port && port <= ports.last);
  }
}

interface Named {
  readonly host: string;
  readonly port: number;
}
