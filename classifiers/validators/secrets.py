"""Whether a string looks like a real secret: placeholders out, then entropy and character mix.

These are judgements, not checksums. The thresholds were set on public examples of secret formats
and on source code, tables and logs without secrets; docs/validators.md gives the figures.
"""

import re
from base64 import b64decode
from collections import Counter
from math import log2

from dlpagent.classifiers.validators.text import words

# Anywhere in the text, any case.
_PLACEHOLDER_PARTS = re.compile(
    r"example|sample|dummy|placeholder|change_?-?me|changeit|redacted|removed|hidden|masked|"
    r"replace|insert|your(?:[-_. ]|key|token|pass|secret)|my[-_](?:key|token|secret|pass)|"
    r"[-_ ]here\b|fake|mock|notreal|not[-_]a[-_]real|todo|fixme|xxxx|\*{3}|\.{3}|\u2026|_{4}|"
    r"-{4}|#{4}|123456789|abcdefghij|lorem|foobar",
    re.IGNORECASE,
)
# The whole text, any case.
_PLACEHOLDER_WORDS = frozenset(
    words("""
    test testing secret password passwd pass pwd passphrase token key apikey api_key value string
    str text none null nil undefined true false yes no empty default required optional enabled
    disabled unknown n/a na tbd foo bar baz qux foobar admin root user username guest demo temp tmp
    abc abcd abcdef abc123 123 1234 12345 123456 1234567 12345678 123456789 credential credentials
    private public encrypted confidential secure object bool int prompt input stdin env environment
    file vault
    """)
)
# A variable, template or format slot, or code that fetches the value from elsewhere.
_TEMPLATE = re.compile(
    r"\$\{.*|\$\(.*|\$[A-Za-z_]\w*|\{\{.*|\{%.*|\{\w*\}|<[^>]*>|\[[^\]]*\]|%\(\w+\)s|%\w+%|%s|#\{.*|@\w+@|"
    r"\(\w+\)|&\w+;?",
    re.DOTALL,
)
_CODE = re.compile(
    r"(?:os|process|self|this|config|settings|env|params|args|options|request|secrets|System)\..*|"
    r"[\w.>:-]+\([^)]*\)?;?|[\w.]+\[[^\]]*\]?|[a-z]+(?:\.[A-Za-z_]+)+|[a-z]+(?:_[a-z]+)+|"
    r"(?:https?|file|ftp)://[^@]*|\\u[0-9a-f]{4}.*",
    re.DOTALL,
)
_KNOWN_HASHES = frozenset(
    (
        "d41d8cd98f00b204e9800998ecf8427e",  # MD5, SHA-1 and SHA-256 of nothing
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "5f4dcc3b5aa765d61d8327deb882cf99",  # MD5 of "password"
    )
)
# Prefixes whose vendor publishes what follows, and that form: anything else is cut or made up.
_FORMS = tuple(
    (re.compile(mark), re.compile(form))
    for mark, form in (
        (r"hv[sbr]\.", r"hv[sbr]\.(?:[A-Za-z0-9]{24}|[A-Za-z0-9_-]{80,300})"),
        (r"[sr]\.[A-Za-z0-9]{20,40}$", r"[sr]\.[A-Za-z0-9]{24}"),
        (r"b\.[A-Za-z0-9]{20,40}$", r"b\.[A-Za-z0-9]{24}"),
        (r"[A-Za-z0-9]{24,40}NRAL$", r"[0-9a-f]{36}NRAL"),
        (r"px-(?:api|dep)-", r"px-(?:api|dep)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        (r"live_[0-9]{6,}_", r"live_[0-9]{6,}_[A-Za-z0-9]{30}"),
        (r"00(?=.*[A-Z])(?=.*[a-z])[A-Za-z0-9_-]{36,44}$", r"00[A-Za-z0-9_-]{39}[A-Za-z0-9]"),
    )
)
_SEQUENCES = "0123456789abcdef0123456789 abcdefghijklmnopqrstuvwxyzabcdef fedcba9876543210fedcba"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_HEX = re.compile(r"[0-9a-f]{16,512}|[0-9A-F]{16,512}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,20000}={0,2}")
_RUNS = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}")
_ASSIGNED = re.compile(r"[A-Za-z]\w{0,63}=(?!=*$)")
_HARD = re.compile(r"[bcdfghjklmnpqrstvwxz]{4}", re.IGNORECASE)


def _bare(text: str) -> str:
    """The text without surrounding white space and quotes."""
    return text.strip().strip("\"'`").strip()


def _entropy(text: str) -> float:
    """Shannon entropy of the characters, in bits per character."""
    size = len(text)
    return -sum(n / size * log2(n / size) for n in Counter(text).values())


def _classes(text: str) -> int:
    """How many of lower case, upper case, digits and others occur."""
    return (
        any(c.islower() for c in text)
        + any(c.isupper() for c in text)
        + any(c.isdigit() for c in text)
        + any(not c.isalnum() for c in text)
    )


def wordiness(text: str) -> float:
    """The share of characters that stand in runs of letters with the vowels of a language.

    Pieces of the alphabet (abcdefghij) are no words.
    """
    wordy = 0
    for run in _RUNS.findall(text):
        if run.lower() in _ALPHABET:
            continue
        vowels = sum(c in "aeiouyAEIOUY" for c in run)
        if 0.2 <= vowels / len(run) <= 0.7 and not _HARD.search(run):
            wordy += len(run)
    return wordy / len(text)


def is_placeholder(text: str) -> bool:
    """Whether the text stands for a secret instead of being one: mock, mask, template, variable."""
    bare = _bare(text)
    lower = bare.lower()
    return (
        len(set(lower) - set("-_. ")) < 3
        or lower in _PLACEHOLDER_WORDS
        or lower in _SEQUENCES
        or bool(_TEMPLATE.fullmatch(bare))
        or bool(_PLACEHOLDER_PARTS.search(bare))
        or _repeats(lower)
    )


def is_misformed(text: str) -> bool:
    """Whether the text bears the prefix of a vendor without the length or letters that belong to it.

    Vault (24 or 80 and more characters), New Relic (36 hexadecimal places before NRAL), Pixie
    (a UUID), Twitch (30 letters and digits), Okta (42 characters, no sign at the end).
    Source: the vendors' descriptions of their tokens.
    """
    return any(mark.match(text) and not form.fullmatch(text) for mark, form in _FORMS)


def _is_code(text: str) -> bool:
    """Whether the text reads as source code or a constant's name rather than as a value."""
    constant = text.isupper() and "_" in text and not any(c.isdigit() for c in text)
    return constant or bool(_CODE.fullmatch(text))


def _repeats(text: str) -> bool:
    """Whether the text is one piece of at most 8 characters over and over (deadbeefdeadbeef)."""
    size = len(text)
    return any(size >= 2 * n and text == (text[:n] * (size // n + 1))[:size] for n in range(1, 9))


def secret_like(text: str) -> bool:
    """A random-looking token of 8 to 4096 characters: no white space, mixed, not made of words.

    Entropy at least 3 bits per character (2.5 below 12 characters), four letters or more, a digit
    unless the token has 20 characters, at most half of it readable as words. A leading "name=" is
    left out.
    """
    bare = _bare(text)
    bare = bare[match.end() :] if (match := _ASSIGNED.match(bare)) else bare
    if not 8 <= len(bare) <= 4096 or len(bare.split()) != 1 or is_placeholder(bare):
        return False
    if is_misformed(bare):
        return False
    if _is_code(bare) or _entropy(bare) < (3.0 if len(bare) >= 12 else 2.5):
        return False
    if sum(c.isalpha() for c in bare) < 4 or _classes(bare) < 2:
        return False
    return (any(c.isdigit() for c in bare) or len(bare) >= 20) and wordiness(bare) <= 0.5


def base64_secret(text: str) -> bool:
    """Random bytes in base64 (either alphabet): 16 or more characters that decode to no text.

    Upper case, lower case and, from 20 characters on, digits must occur. Base64 of readable text
    (a header, a user:password pair) is refused.
    """
    bare = "".join(_bare(text).split())
    body = bare.rstrip("=")
    if not _BASE64.fullmatch(bare) or len(body) % 4 == 1 or is_placeholder(body):
        return False
    if "=" in bare and len(bare) % 4:
        return False
    if body.lower() == body or body.upper() == body:
        return False
    if len(body) >= 20 and not any(c.isdigit() for c in body):
        return False
    octets = b64decode(body.replace("-", "+").replace("_", "/") + "=" * (-len(body) % 4))
    if sum(32 <= octet < 127 for octet in octets) > 0.85 * len(octets):
        return False
    return _entropy(body) >= 3.0 and wordiness(body) <= 0.5


def hex_secret(text: str) -> bool:
    """Random bytes in hexadecimal of one case: 16 or more places, letters and digits, 8 different.

    Hashes of nothing, sequences and repetitions are refused. A hash of a file still passes: only
    its context tells a key from a checksum.
    """
    bare = _bare(text).removeprefix("0x")
    if not _HEX.fullmatch(bare) or bare.isdigit() or bare.isalpha():
        return False
    lower = bare.lower()
    if len(set(lower)) < 8 or lower in _KNOWN_HASHES or _repeats(lower):
        return False
    return not any(lower[at : at + 8] in _SEQUENCES for at in range(len(lower) - 7))


def password_like(text: str) -> bool:
    """What a person may have typed as a password: 4 to 128 characters, two classes, no white space.

    Placeholders, variables, calls and plain words of one class are refused, so "hunter2" passes,
    "required" and "getPassword()" do not. For use right after a word such as "password=".
    """
    bare = _bare(text)
    if not 4 <= len(bare) <= 128 or len(bare.split()) != 1:
        return False
    if is_placeholder(bare) or _is_code(bare):
        return False
    core = bare.rstrip(".,;:!?)")
    if _classes(core) < 2 or (core.isalpha() and core.istitle()):
        return len(core) >= 12 and wordiness(core) <= 0.5
    return True


VALIDATORS = {
    "base64_secret": base64_secret,
    "hex_secret": hex_secret,
    "password_like": password_like,
    "secret_like": secret_like,
}
