"""Credentials inside a URL."""

import re

from dlpagent.classifiers.validators.secrets import is_placeholder, password_like

_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]*://([^:/?#\s]*):([^/?#\s]*)@")


def url_password(text: str) -> bool:
    """A URL with user information whose password could be real: no placeholder, variable or mask.

    Words of one character class ("secret", "password") are refused, four or more mixed characters
    or eight random ones pass, percent-encoded ones as they stand. Source: RFC 3986, 3.2.1.
    """
    match = _USERINFO.match(text.strip())
    if match is None:
        return False
    user, password = match[1], match[2]
    if password.lower() == user.lower() or is_placeholder(password):
        return False
    return password_like(password)


VALIDATORS = {"url_password": url_password}
