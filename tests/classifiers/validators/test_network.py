from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.validators import network

VALID = [
    (network.ipv4, "192.0.2.1"), (network.ipv4, "255.255.255.255"), (network.ipv4, " 0.0.0.0 "),
    (network.ipv4_undotted, "192168001001"), (network.ipv4_public, "8.8.8.8"),
    (network.ipv6, "2001:db8::1"), (network.ipv6, "fe80::1%eth0"), (network.ipv6, "::1"),
    (network.ipv6, "dead:beef::cafe"),
    (network.mac_address, "00:00:00:00:00:01"),
    (network.ipv6, "2001:DB8:0:0:8:800:200C:417A"), (network.ipv6, "[2001:db8::1]"),
    (network.ipv6, "::ffff:192.0.2.1"), (network.ip_address, "192.0.2.1"),
    (network.ip_address, "2001:db8::1"), (network.mac_address, "00:1A:2b:3c:4d:5e"),
    (network.mac_address, "00-1a-2b-3c-4d-5e"), (network.mac_address, "001a.2b3c.4d5e"),
    (network.email, "jane.doe@example.com"), (network.email, "<j+x@sub.example.co.uk>"),
    (network.email, "dörte@sörensen.example.com"), (network.email, "a@xn--bcher-kva.xn--p1ai"),
    (network.email, "o'neil@example.org"),
]  # fmt: skip
INVALID = [
    (network.ipv4, "256.1.1.1"), (network.ipv4, "1.2.3"), (network.ipv4, "1.2.3.4.5"),
    (network.ipv4, "01.2.3.4"), (network.ipv4, "1.2.3.4."), (network.ipv4, "1.2.3.4\n5"),
    (network.ipv4, "1.2.3.٤"), (network.ipv4_undotted, "192168001256"),
    (network.ipv4_undotted, "19216811"), (network.ipv4_public, "10.0.0.1"),
    (network.ipv4_public, "192.168.1.1"), (network.ipv4_public, "127.0.0.1"),
    (network.ipv6, "::"), (network.ipv6, "dead::beef"), (network.ipv6, "std::cout"),
    (network.ipv6, "2001:db8:::1"), (network.ipv6, "12:30:45"), (network.ipv6, "2001:db8::1/64"),
    (network.mac_address, "00:00:00:00:00:00"), (network.mac_address, "ff:ff:ff:ff:ff:ff"),
    (network.mac_address, "00:1A-2b:3c:4d:5e"), (network.mac_address, "00:1A:2b:3c:4d"),
    (network.email, "jane@localhost"), (network.email, "logo@2x.png"), (network.email,
    "a..b@ex.com"),
    (network.email, "a@b@"), (network.email, ".a@example.com"), (network.email, "a@-b.com"),
    (network.email, "a@example.c"), (network.email, "a@exam ple.com"),
    (network.email, "x" * 65 + "@example.com"), (network.email, "a@" + "b" * 64 + ".com"),
    (network.email, "a@" + "b.c" * 90 + ".com"), (network.email, "@example.com"),
    (network.email, "a@1.2.3.4"), (network.email, ""),
]  # fmt: skip


@pytest.mark.parametrize(("check", "text"), VALID)
def test_an_address_is_valid(check, text):
    assert check(text)


@pytest.mark.parametrize(("check", "text"), INVALID)
def test_what_is_no_address_is_not_valid(check, text):
    assert not check(text)


@pytest.mark.parametrize(("size", "expected"), [(254, True), (255, False)])
def test_an_email_address_has_at_most_254_characters(size, expected):
    labels = ".".join("b" * 46 for _ in range(4))
    address = "a" * (size - len(labels) - 5) + f"@{labels}.com"
    assert len(address) == size
    assert network.email(address) is expected


@given(st.ip_addresses(v=4).map(str))
def test_every_ipv4_address_is_valid_and_public_as_iana_says(address):
    assert network.ipv4(address)
    assert network.ipv4_public(address) is IPv4Address(address).is_global
    assert network.ipv4_undotted("".join(octet.zfill(3) for octet in address.split(".")))


@given(st.ip_addresses(v=6).filter(lambda a: a != IPv6Address("::")))
def test_every_ipv6_address_written_in_full_is_valid(address):
    assert network.ipv6(address.exploded)
