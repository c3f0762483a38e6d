import ipaddr from 'ipaddr.js';

/** IANA's global unicast space of IPv6: what lies outside it is no place on the internet. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Whether an IP address is a place on the public internet: not this machine, not a private or a provider's network, not a link (so
 * not a cloud's metadata either), no multicast, nothing reserved, and no IPv6 address that stands for an IPv4 one, which
 * may be any of those.
 */
export function isPublicAddress(text: string): boolean {
  // Zones and other ways to write a number are for interfaces and browsers.
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(globalUnicast);
}
