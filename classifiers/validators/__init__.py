"""Checksum and format validators by name: `VALIDATORS` and `validator(name)`.

A validator takes the matched text as found (separators and case included), answers whether its
digits and letters can be such a number, and never raises. It says nothing about whether the number
was ever issued. Separators are forgiven here: the regex of the SIT decides which ones may occur.
docs/validators.md lists every name with its rule and the share of random strings it accepts.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from dlpagent.classifiers.validators import (
    asia_pacific,
    azure_keys,
    banking,
    cards,
    china,
    crypto,
    dates,
    diseases,
    marked,
    middle_east,
    network,
    north_america,
    north_east_europe,
    phones,
    russia_central_asia,
    secrets,
    south_america,
    tokens,
    urls,
    western_europe,
    wrapped,
)
from dlpagent.errors import ConfigurationError

Validator = Callable[[str], bool]

_MODULES = (
    asia_pacific, azure_keys, banking, cards, china, crypto, dates, diseases, marked, middle_east,
    network, north_america, north_east_europe, phones, russia_central_asia, secrets, south_america, tokens,
    urls, western_europe, wrapped,
)  # fmt: skip
VALIDATORS: Mapping[str, Validator] = MappingProxyType(
    dict(sorted((name, check) for module in _MODULES for name, check in module.VALIDATORS.items()))
)


def validator(name: str) -> Validator:
    """The validator of this name. Raises ConfigurationError, which lists the nearest names."""
    try:
        return VALIDATORS[name]
    except KeyError:
        near = get_close_matches(name, VALIDATORS, n=5, cutoff=0.4)
        raise ConfigurationError(
            "a validator that does not exist is named",
            expected="a name of docs/validators.md"
            + (f", such as {', '.join(near)}" if near else ""),
            found=repr(name),
            remedy="Correct the name, or write the validator in classifiers/validators/.",
        ) from None
