/** Where the server of an http or https URL listens: an IPv6 address without its brackets, the scheme's port where the URL names none. */
export function addressOfUrl({ hostname, port, protocol }: URL): { readonly host: string; readonly port: number } {
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
}
