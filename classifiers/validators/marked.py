"""Tokens that their surroundings already call a secret: a prefix, or a name before them."""

import re

from dlpagent.classifiers.validators.secrets import is_misformed, is_placeholder, wordiness

MIN_DIFFERENT = 6
MIN_KEYED = 16

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
# Names, files and addresses that look like a token where only its length and letters are asked.
_NOT_KEYED = re.compile(
    r"arn:.*|[a-z0-9]+-sha\d+:?.*|\*\w+|\w+\.(?:[a-z]{2,4}|length|(?:[A-Z][a-z]+)+)|[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|io|dev|"
    r"example|local)(?:[/:].*)?|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+){2,}|[a-z][a-z0-9]*(?:_[a-z0-9]{1,12}){2,}|"
    r"[\w.-]+=\w+.*|[\w.:/-]+/[\w.:-]+/.*|[a-z]+(?:[A-Z][a-z]{2,})+\d{0,2}|.*[^\W_]{1,40}@.*",
    re.DOTALL,
)
_HEX_GROUPS = re.compile(r"[0-9a-fA-F]+(?:-[0-9a-fA-F]+)*")
_DIGITS = re.compile(r"\d+")
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=:!@#$%^&*-]+")
_ONE_CLASS = re.compile(r"[0-9]+|[a-z]+|[A-Z]+")

# What stands behind "password" in programs without being one: labels, selectors, paths, names.
_NAMES_ONE = re.compile(
    r".*(?:passw|passwd|kennwort|contrase|username).*|[/.~][\w./@:-]*|\+\w.*|#[a-zA-Z_-]+|!\w+|arn:.*|.*:|[a-z]+://.*|"
    r"[\w.]*->.*|"
    r"[\w.]+\.(?:[a-z]{2,4}|get\w*)|::?\w.*|[A-Za-z]\w*(?:::|->)\w.*|[\w.+-]+@[\w-]+\.[\w.]+|\$[A-Z_]+.*|"
    r"\d{1,2}[:.]\d\d.*|.*%[sd].*",
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
    if not 8 <= len(bare) <= 512 or len(set(bare.lower())) < MIN_DIFFERENT or is_misformed(bare):
        return False
    mixed = any(c.isdigit() for c in bare) and any(c.isalpha() for c in bare)
    if not mixed:
        return len(bare) >= 20 and _ONE_CLASS.fullmatch(bare) is not None
    if _STAND_IN.search(bare) or _NOT_KEYED.fullmatch(bare):
        return False
    return not _NOT_A_VALUE.fullmatch(bare)


def vendor_token(text: str) -> bool:
    """A token of a vendor's own format, made-up letters included, not a stand-in (xxxx, EXAMPLE).

    For regexes whose prefix and length are the vendor's alone, so that the format is the proof:
    sequences (abcdef, 12345) pass, words of manuals, masks, slots and repetitions do not.
    """
    bare = text.strip().strip("\"'`")
    if len(set(bare.lower())) < MIN_DIFFERENT or is_misformed(bare):
        return False
    return not _STAND_IN.search(bare)


def keyed_token(text: str) -> bool:
    """16 to 512 characters that read as a token and as nothing else, made-up ones included.

    For medium confidence right behind a name such as api_key: like token_shape, but identifiers,
    files, hosts, ARNs and readable words are refused, and letters of both cases need no digit.
    """
    bare = text.strip().strip("\"'`")
    if not MIN_KEYED <= len(bare) <= 512 or not _TOKEN.fullmatch(bare):
        return False
    if len(set(bare.lower())) < MIN_DIFFERENT or is_misformed(bare) or _STAND_IN.search(bare):
        return False
    if _HEX_GROUPS.fullmatch(bare):
        return not bare.isdigit() or len(bare) >= 20
    if _NOT_A_VALUE.fullmatch(bare) and not _ONE_CLASS.fullmatch(bare):
        return False
    if _NOT_KEYED.fullmatch(bare) or (not any(c.isdigit() for c in bare) and len(bare) < 20):
        return False
    # Random letters read as words here and there; digits in several places give them away.
    scattered = len(_DIGITS.findall(bare)) >= 4 and len(bare) >= 24
    return wordiness(bare) <= (0.7 if scattered else 0.4)


def password_value(text: str) -> bool:
    """Not a label, selector, path, ARN, e-mail address or name of a variable that holds a password.

    For use beside password_like: "#add-password", "/reset" and "CPAN::anycwd" are refused.
    """
    return _NAMES_ONE.fullmatch(text.strip().strip("\"'`")) is None


VALIDATORS = {
    "keyed_token": keyed_token,
    "marked_token": marked_token,
    "password_value": password_value,
    "token_shape": token_shape,
    "vendor_token": vendor_token,
}
