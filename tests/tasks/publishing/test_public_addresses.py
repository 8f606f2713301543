"""No address that leads into a private network is taken for a public one."""

from __future__ import annotations

import pytest

from tasks.publishing.public_addresses import is_public

PRIVATE = (
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.1.0.1", "0.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "93.184.215.14", "151.101.1.69")
# Ways to write an IPv4 address as one of IPv6, which the network may translate back.
FORMS = ("64:ff9b::{}", "::ffff:{}", "::{}", "::ffff:0:{}")


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_not_public_in_any_form(address: str) -> None:
    assert not is_public(address)
    for form in FORMS:
        assert not is_public(form.format(address)), form


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public_in_any_form(address: str) -> None:
    assert is_public(address)
    for form in FORMS:
        assert is_public(form.format(address)), form


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "feff::1", "fc00::1", "fd12::1", "ff02::1",
     "5f00::1", "5f00:1234::7f00:1", "64:ff9b:1::a00:1", "64:ff9b:1:fffe::1", "100::1",
     "2001:db8::1", "2001::1", "2001:0:7f00:1::1", "2002:7f00:1::1", "2002:a00:1::", "3fff::1",
     "4000::1", "e000::1"],
)  # fmt: skip
def test_special_ipv6_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["2606:4700:4700::1111", "2a00:1450:4001:830::200e", "2002:101:101::1"]
)
def test_ordinary_ipv6_addresses_are_public(address: str) -> None:
    assert is_public(address)
