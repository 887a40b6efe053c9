import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

/** One entry of a list such as `*.example.com:9092-9094, 10.0.0.0/8, !10.1.2.3`. */
interface HostRule {
  readonly refuses: boolean;
  readonly ports: Ports;
  readonly host: NamePattern | AddressPattern;
}

interface Ports {
  readonly first: number;
  readonly last: number;
}

interface NamePattern {
  readonly kind: 'name';
  matches(name: string): boolean;
}

interface AddressPattern {
  readonly kind: 'address';
  matches(address: string): boolean;
  /** All of it is link-local: only such an entry opens those addresses. */
  readonly isLinkLocal: boolean;
}

/** Which hosts may be connected to. */
export type HostRules = readonly HostRule[];

/** Words for ranges of addresses. Those of cloud metadata that stand elsewhere count as link-local, and so do forms of IPv4 ranges in IPv6 (NAT64, 6to4). */
const RANGES = {
  loopback: ['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128', '64:ff9b::7f00:0/104'],
  private: [
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '100.64.0.0/10',
    'fc00::/7',
    '64:ff9b::a00:0/104',
    '64:ff9b::ac10:0/108',
    '64:ff9b::c0a8:0/112',
  ],
  'link-local': [
    '169.254.0.0/16',
    'fe80::/10',
    'fd00:ec2::254/128',
    '100.100.100.200/32',
    '64:ff9b::a9fe:0/112',
    '2002:a9fe::/32',
    '::a9fe:0/112',
  ],
} as const;

export const LINK_LOCAL = matcherOf(RANGES['link-local'].map(readRange));

const ALL_PORTS: Ports = { first: 0, last: 65_535 };
const HOST_AND_PORTS = /^(?:\[([^\]]+)\](\/\d+)?|([^\s:]+))(?::(\d{1,5})(?:-(\d{1,5}))?)?$/;
const NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/;

/** Undefined when the text is no such list. */
export function parseHostRules(text: string): HostRules | undefined {
  const rules = text.split(',').map((entry) => parseRule(entry.trim().toLowerCase()));
  return rules.every((rule) => rule !== undefined) ? rules : undefined;
}

function parseRule(entry: string): HostRule | undefined {
  const refuses = entry.startsWith('!');
  const text = refuses ? entry.slice(1) : entry;
  // Brackets tell its colons from that of the port.
  const parsed = isIPv6(text.replace(/\/\d+$/, '')) ? { host: text, ports: ALL_PORTS } : splitPorts(text);
  const host = parsed && parseHost(parsed.host);
  return host && { refuses, ports: parsed.ports, host };
}

function splitPorts(text: string): { host: string; ports: Ports } | undefined {
  const [whole, bracketed, prefix = '', plain = '', first, last = first] = HOST_AND_PORTS.exec(text) ?? [];
  if (whole === undefined || (bracketed !== undefined && !isIPv6(bracketed.replace(/\/\d+$/, '')))) return undefined;
  const ports = first === undefined ? ALL_PORTS : { first: Number(first), last: Number(last) };
  const isRange = ports.first <= ports.last && ports.last <= ALL_PORTS.last;
  return isRange ? { host: bracketed === undefined ? plain : bracketed + prefix, ports } : undefined;
}

function parseHost(text: string): HostRule['host'] | undefined {
  if (Object.hasOwn(RANGES, text)) return addressPattern(RANGES[text as keyof typeof RANGES].map(readRange));
  const range = readRange(text);
  if (isIP(range.address) !== 0) return Number.isInteger(range.bits) && range.bits <= range.maxBits ? addressPattern([range]) : undefined;
  if (text === '*') return { kind: 'name', matches: () => true };
  if (!NAME.test(text) || /^[\d.]+$/.test(text)) return undefined;
  const suffix = text.startsWith('*.') ? text.slice(1) : undefined;
  return { kind: 'name', matches: (name) => (suffix === undefined ? name === text : name.endsWith(suffix)) };
}

interface Range {
  readonly address: string;
  readonly bits: number;
  readonly maxBits: number;
}

/** `address/bits`, or one address. */
function readRange(text: string): Range {
  const [address = '', bits, ...rest] = text.split('/');
  const maxBits = isIPv4(address) ? 32 : 128;
  return { address, bits: rest.length > 0 ? Number.NaN : Number(bits ?? maxBits), maxBits };
}

function addressPattern(ranges: readonly Range[]): AddressPattern {
  const isLinkLocal = ranges.every(({ address, bits, maxBits }) => LINK_LOCAL(address) && bits >= (maxBits === 32 ? 16 : 10));
  return { kind: 'address', matches: matcherOf(ranges), isLinkLocal };
}

/** An IPv4 address that is written as one of IPv6 counts as what it is. */
function matcherOf(ranges: readonly Range[]): (address: string) => boolean {
  const list = new BlockList();
  for (const { address, bits } of ranges) list.addSubnet(address, bits, familyOf(address));
  return (address) => {
    const [withoutZone = ''] = address.split('%');
    return list.check(withoutZone, familyOf(withoutZone));
  };
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}
