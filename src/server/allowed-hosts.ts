/**
 * Which names a request may say that it was sent to (Host), and which pages may send it (Origin).
 *
 * The attack is DNS rebinding: a page that a local user visits makes its own host name resolve to loopback. To the browser
 * this server is then the page's own, so that neither Sec-Fetch-Site nor CORS stops it; but Host still has the page's name.
 * So a name passes only if no stranger can own it:
 *
 * - names of loopback: localhost, *.localhost, 127.0.0.0/8, ::1;
 * - those of GOHEAP_ALLOWED_HOSTS;
 * - where that is not set and HOST is not loopback (a container, a private network): also HOST and the machine's own name, IP
 *   addresses, which nobody has to resolve, and names that the public DNS cannot have: without a dot, `.local`, `.internal`.
 *
 * With AUTH_TOKEN nothing is looked at unless a list says so: a page does not know the token, and no browser sends it by
 * itself. A request without Host is HTTP/1.0, which no browser speaks. What X-Forwarded-Host says does not count, as a page
 * may send that header.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Config } from './config.js';
import { isLoopback } from './config-text.js';
import { Problem } from './problem.js';
import { quote } from './quote.js';

/** The problem of a request's Host or Origin, if there is one. */
export type HostCheck = (headers: IncomingHttpHeaders) => Problem | undefined;

/** An authority: an IPv6 address in brackets, or a name or IPv4 address; and a port. */
const AUTHORITY = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::[0-9]{1,5})?$/;
const MAX_AUTHORITY = 260;
const HTTP = /^https?:\/\//;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
// As a browser writes 127.0.0.1 in IPv6.
LOOPBACK.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

/** The name in an authority, in lower case, without brackets and without the dot of the root; undefined if it is none. */
function nameOf(authority: string): string | undefined {
  if (authority.length > MAX_AUTHORITY) return undefined;
  const name = AUTHORITY.exec(authority.toLowerCase())?.[1];
  if (name === undefined) return undefined;
  return name.startsWith('[') ? name.slice(1, -1) : name.replace(/\.$/, '');
}

function ofLoopback(name: string): boolean {
  const family = isIP(name);
  if (family === 0) return name === 'localhost' || name.endsWith('.localhost');
  return LOOPBACK.check(name, family === 4 ? 'ipv4' : 'ipv6');
}

/** Whether the public DNS can have no such name. */
function ofNobody(name: string): boolean {
  return isIP(name) !== 0 || !name.includes('.') || name.endsWith('.local') || name.endsWith('.internal');
}

/** Undefined where every name is allowed. */
export function hostCheck(config: Pick<Config, 'allowedHosts' | 'host' | 'authToken'>): HostCheck | undefined {
  const { allowedHosts, host, authToken } = config;
  if (allowedHosts === 'off' || (allowedHosts === undefined && authToken !== undefined)) return undefined;
  const near = allowedHosts === undefined && !isLoopback(host);
  const listed = new Set(allowedHosts ?? (near ? [host.toLowerCase(), hostname().toLowerCase()] : []));
  const allowed = (name: string): boolean => ofLoopback(name) || listed.has(name) || (near && ofNobody(name));

  const notAllowed = (sent: string): Problem => {
    const detail =
      `The request was sent to ${quote(sent)}, and this server is not known by that name. ` +
      'If it should be, GOHEAP_ALLOWED_HOSTS has to list it.';
    return new Problem('host-not-allowed', detail, { field: 'host' });
  };
  // A page of the server itself, or of a name that it was given: of a proxy in front of it, for one.
  const own = (origin: string, sent: string | undefined): boolean => {
    if (origin.length > MAX_AUTHORITY || !HTTP.test(origin)) return false;
    const authority = origin.replace(HTTP, '').toLowerCase();
    return authority === sent?.toLowerCase() || listed.has(nameOf(authority) ?? '');
  };

  // Most requests come with the Host of the one before.
  let last: string | undefined;
  return (headers) => {
    const { host: sent, origin } = headers;
    if (sent !== last && sent !== undefined) {
      const name = nameOf(sent);
      if (name === undefined || !allowed(name)) return notAllowed(sent);
      last = sent;
    }
    if (origin === undefined || own(origin, sent)) return undefined;
    return new Problem('cross-site', `A page of ${quote(origin)} sent this request.`);
  };
}
