"""Which IP addresses are on the public internet, also those that hold an IPv4 address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Prefixes whose last 32 bits are an IPv4 address, to which the network may deliver: NAT64, mapped
# and compatible addresses, and those of SIIT.
_WITH_IPV4 = tuple(
    IPv6Network(prefix) for prefix in ("64:ff9b::/96", "::ffff:0:0/96", "::/96", "::ffff:0:0:0/96")
)
# Newer than Python's own list.
_SPECIAL = (IPv6Network("3fff::/20"),)


def is_public(text: str) -> bool:
    """Whether an address, as `getaddrinfo` gives it, belongs to the public internet."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = _ipv4_in(address)
        if inner is None:
            return _is_public_ipv6(address)
        address = inner
    return address.is_global and not address.is_multicast and not address.is_reserved


def _ipv4_in(address: IPv6Address) -> IPv4Address | None:
    if any(address in prefix for prefix in _WITH_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def _is_public_ipv6(address: IPv6Address) -> bool:
    # What is outside of 2000::/3 is local, reserved or not assigned, whatever Python knows of it.
    return (
        address in _GLOBAL_UNICAST
        and address.is_global
        and not any(address in network for network in _SPECIAL)
    )
