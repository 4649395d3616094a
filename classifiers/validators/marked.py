"""Tokens that their surroundings already call a secret: a prefix, or a name before them."""

import re

from dlpagent.classifiers.validators.secrets import is_placeholder

MIN_DIFFERENT = 6

# What stands for a value: slots, masks, the words of manuals. Sequences (1234, abcdef) are not here.
_STAND_IN = re.compile(
    r"example|sample|dummy|placeholder|change_?-?me|redact|removed|hidden|masked|your|insert|here\b|"
    r"todo|fixme|x{4}|\*{3}|\.{3}|\u2026|[-_#]{4}|0{8}|[$%#]\{|\$\(|\{\{|<[^>]*>|%[sd]\b",
    re.IGNORECASE,
)
# Code, names and quantities: calls, attributes, paths, constants, versions, dates, numbers.
_NOT_A_VALUE = re.compile(
    r".*[(){}\[\];].*|\$.*|[A-Za-z_]+(?:[./:-][A-Za-z_]+\d{0,2})+|[A-Z_]+\d{0,3}|[a-z_]+\d{0,3}|"
    r"[a-zA-Z]+\d{0,2}(?:_[a-zA-Z]+\d{0,2})+|[vV]?\d+(?:[.:/_]\d+)+[\w-]{0,10}|"
    r"[\d.,+-]+(?:e[+-]?\d+|[a-zA-Z%]{1,3})?|\d{4}-\d\d-\d\d.*|[a-z]+://.*|[./~].*/.*|"
    r"sha\d{1,3}[-:=].*|[A-Za-z]+[-_ ]\d{1,4}",
    re.DOTALL,
)
_ONE_CLASS = re.compile(r"[0-9]+|[a-z]+|[A-Z]+")

# What stands behind "password" in programs without being one: labels, selectors, paths, names.
_NAMES_ONE = re.compile(
    r".*(?:passw|passwd|kennwort|contrase|username).*|[/.~][\w./@:-]*|\+\w.*|#[a-zA-Z_-]+|!\w+|arn:.*|.*:|[a-z]+://.*|"
    r"[\w.]*->.*|"
    r"[\w.]+\.(?:[a-z]{2,4}|get\w*)|::?\w.*|[A-Za-z]\w*(?:::|->)\w.*|[\w.+-]+@[\w-]+\.[\w.]+|\$[A-Z_]+.*|"
    r"\d{1,2}[:.]\d\d.*",
    re.IGNORECASE | re.DOTALL,
)


def marked_token(text: str) -> bool:
    """A token of a format with a prefix of its own, not a stand-in for one (xxxx, EXAMPLE, ****).

    For regexes whose prefix and length are distinctive: only placeholders, repetitions and tokens
    of fewer than 6 different characters are refused, so short and upper-case formats pass too.
    """
    bare = text.strip().strip("\"'`")
    return len(set(bare.lower())) >= MIN_DIFFERENT and not is_placeholder(bare)


def token_shape(text: str) -> bool:
    """8 to 512 characters that could be a token, made-up ones included: letters and digits, or 20 or
    more digits, or 20 or more letters of one case.

    For low confidence behind a name such as api_key: sequences and repetitions that a true secret
    would not show (1234567890abcdef) pass here; masks, slots, code, versions, dates and words do not.
    """
    bare = text.strip().strip("\"'`")
    if not 8 <= len(bare) <= 512 or len(set(bare.lower())) < MIN_DIFFERENT:
        return False
    mixed = any(c.isdigit() for c in bare) and any(c.isalpha() for c in bare)
    if not mixed:
        return len(bare) >= 20 and _ONE_CLASS.fullmatch(bare) is not None
    return not _STAND_IN.search(bare) and not _NOT_A_VALUE.fullmatch(bare)


def password_value(text: str) -> bool:
    """Not a label, selector, path, ARN, e-mail address or name of a variable that holds a password.

    For use beside password_like: "#add-password", "/reset" and "CPAN::anycwd" are refused.
    """
    return _NAMES_ONE.fullmatch(text.strip().strip("\"'`")) is None


VALIDATORS = {
    "marked_token": marked_token,
    "password_value": password_value,
    "token_shape": token_shape,
}
