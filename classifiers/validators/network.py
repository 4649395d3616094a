"""Internet addresses: IPv4, IPv6, MAC, e-mail."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from dlpagent.classifiers.validators.text import words

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")
_OCTETS = re.compile(r"(?:25[0-5]|2[0-4][0-9]|[01][0-9]{2}){4}")
_MAC = re.compile(
    r"[0-9A-F]{2}([:-])(?:[0-9A-F]{2}\1){4}[0-9A-F]{2}|(?:[0-9A-F]{4}\.){2}[0-9A-F]{4}"
)
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_LABEL = re.compile(r"(?!-)[^\W_](?:[\w-]{0,61}[^\W_])?")
# Endings of file names that follow an @ in code and web pages (logo@2x.png) and are no domains.
_NOT_DOMAINS = frozenset(words("png jpg jpeg gif svg webp bmp ico css js ts tsx jsx json html php"))


def ipv4(text: str) -> bool:
    """A dotted IPv4 address: four decimal octets without leading zeros. Source: RFC 3986, 3.2.2."""
    return bool(_IPV4.fullmatch(text.strip()))


def ipv4_undotted(text: str) -> bool:
    """An IPv4 address in twelve digits, each octet padded with zeros, as Purview also accepts."""
    return bool(_OCTETS.fullmatch(text.strip()))


def ipv4_public(text: str) -> bool:
    """An IPv4 address that is reachable on the public Internet. Source: IANA special registries."""
    return ipv4(text) and IPv4Address(text.strip()).is_global


def ipv6(text: str) -> bool:
    """An IPv6 address (RFC 4291), zone allowed, not "::" alone.

    With two colons only, a digit must occur: "dead::beef" is far more often code than an address.
    """
    address = text.strip().strip("[]")
    if address.count(":") < 3 and not any(c.isdigit() for c in address):
        return False
    try:
        return IPv6Address(address) != IPv6Address("::")
    except (AddressValueError, ValueError):
        return False


def ip_address(text: str) -> bool:
    """An IPv4 or IPv6 address."""
    return ipv4(text) or ipv6(text)


def mac_address(text: str) -> bool:
    """A 48-bit hardware address with colons, dashes or Cisco dots, not all zeros or all ones.

    Source: IEEE 802.
    """
    address = text.strip().upper()
    return bool(_MAC.fullmatch(address)) and len(set(address) - set(":-.")) > 1


def email(text: str) -> bool:
    """An e-mail address: local part up to 64, labels up to 63, 254 in all, a top-level domain.

    Letters beyond ASCII are allowed (RFC 6531); quoted local parts and address literals are not.
    Source: RFC 5321, 4.5.3.1.
    """
    address = text.strip().strip("<>")
    local, at, domain = address.rpartition("@")
    labels = domain.rstrip(".").split(".")
    if not at or len(address) > 254 or len(local) > 64 or len(labels) < 2:
        return False
    top = labels[-1].lower()
    if not ((top.isalpha() and len(top) > 1) or top.startswith("xn--")) or top in _NOT_DOMAINS:
        return False
    return bool(_LOCAL.fullmatch(local)) and all(_LABEL.fullmatch(label) for label in labels)


VALIDATORS = {
    "email": email,
    "ip_address": ip_address,
    "ipv4": ipv4,
    "ipv4_public": ipv4_public,
    "ipv4_undotted": ipv4_undotted,
    "ipv6": ipv6,
    "mac_address": mac_address,
}
