"""Regex text turned into regex text: Boost syntax → RE2 and Python, edge lookarounds → context.

Pure string work; no engine is called here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace


class Untranslatable(ValueError):  # noqa: N818 - says what the pattern is
    """A pattern, or a part of it, that no engine here can take with the same meaning."""


class RuleTimeout(Exception):  # noqa: N818 - the field's word
    """A regex used up its time on one text; what it would have found is unknown."""


@dataclass(frozen=True, slots=True)
class Translated:
    """One pattern in the syntax of RE2 and in that of Python's re."""

    re2: str
    python: str


@dataclass(frozen=True, slots=True)
class Edges:
    """A pattern cut in three: before and after are consumed as context, core is the match."""

    before: str
    core: str
    after: str
    before_chars: int

    @property
    def pattern(self) -> str:
        """All of it, the match as its first group."""
        return f"{self.before}({self.core}){self.after}"

    def inner(self) -> Edges:
        """The same without the start of the text as a possible context."""
        return replace(self, before=self.before.replace(r"\A|", "", 1))


_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r"\x20\t", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\x0b\f\r\x20", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f", "d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\x0b\f\r\x20", "l": "a-z",
    "u": "A-Z",
}  # fmt: skip

# Class escapes are ASCII in every engine; \s takes the vertical tab too, as in Boost and Perl.
_CLASSES = {
    "d": "0-9",
    "w": "0-9A-Za-z_",
    "s": r"\t\n\x0b\f\r\x20",
    "l": "a-z",
    "u": "A-Z",
    "h": r"\x20\t",
}
_NEGATED = {"D": "d", "W": "w", "S": "s", "L": "l", "U": "u", "H": "h"}

# One token: an escape, a class in brackets (bracket expressions such as [:alpha:] inside), a group
# opener, or one character.
_TOKEN = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\x\{[0-9A-Fa-f]+\}|\\[pP]\{\^?\w+\}|\\c.|\\[gk](?:\{[^}]*\}|<[^>]*>|'[^']*'|-?\d+)|\\."
    r"|\[\^?\]?(?:\[[:.=][^\]]{0,40}?[:.=]\]|\\.|[^\]\\])*+\]"
    r"|\(\?#[^)]*\)|\(\?P?<[A-Za-z_]\w*>|\(\?'\w+'|\(\?(?:<[=!]|[=!:>|]|[A-Za-z-]+[:)]|\(|R\)|\d+\)|P>\w+\)|&\w+\))"
    r"|\(\*[^)]*\)|.",
    re.DOTALL,
)


def tokens(pattern: str) -> Iterator[str]:
    """The pattern cut into escapes, classes, group openers and single characters.

    Raises Untranslatable at a class that is not closed: looking for its end again and again from
    every bracket would take time that grows with the square of the pattern.
    """
    for match in _TOKEN.finditer(pattern):
        if match[0] == "[":
            raise Untranslatable("a character class is not closed")
        yield match[0]


def translate(pattern: str) -> Translated:
    """A Boost pattern in the syntaxes of RE2 and Python. Raises Untranslatable, saying which part."""
    both = [_translate_token(token) for token in tokens(pattern)]
    return Translated("".join(first for first, _ in both), "".join(second for _, second in both))


def _translate_token(token: str) -> tuple[str, str]:
    """(RE2, Python) for one token."""
    if token.startswith("\\"):
        return _translate_escape(token)
    if token.startswith("[") and len(token) > 1:
        return (same := _translate_class(token)), same
    if token == "$":
        return r"\z", r"\Z"
    if token == "^":
        return r"\A", r"\A"
    if token.startswith("(?"):
        return _translate_group(token)
    if token.startswith("(*"):
        raise Untranslatable(f"the control verb {token}")
    return token, token


def _translate_group(token: str) -> tuple[str, str]:
    if token.startswith("(?#"):
        return "", ""
    name = re.fullmatch(r"\(\?(?:P?<(\w+)>|'(\w+)')", token)
    if name:
        return (same := f"(?P<{name[1] or name[2]}>"), same
    if token in ("(?|", "(?R)", "(?(") or re.match(r"\(\?(\d+\)|P>|&)", token):
        raise Untranslatable(f"the construct {token}")
    flags = re.fullmatch(r"\(\?([A-Za-z]*)(-[A-Za-z]+)?([:)])", token)
    if flags and set((flags[1] + (flags[2] or "")).replace("-", "")) - set("ims"):
        raise Untranslatable(f"the flags of {token}")
    return token, token


def _translate_escape(token: str) -> tuple[str, str]:
    body = token[1:]
    kind = body[0] if body else ""
    if not kind:
        raise Untranslatable("a backslash at the end")
    if kind == "Q":
        return (same := re.escape(body[1:].removesuffix(r"\E"))), same
    if kind in _CLASSES:
        return (same := f"[{_CLASSES[kind]}]"), same
    if kind in _NEGATED:
        return (same := f"[^{_CLASSES[_NEGATED[kind]]}]"), same
    fixed = {
        "b": (r"\b", r"(?a:\b)"), "B": (r"\B", r"(?a:\B)"), "A": (r"\A", r"\A"), "`": (r"\A", r"\A"),
        "z": (r"\z", r"\Z"), "Z": (r"\z", r"\Z"), "'": (r"\z", r"\Z"), "e": (r"\x1b", r"\x1b"),
        "<": (r"\b", r"(?a:\b)(?=[0-9A-Za-z_])"), ">": (r"\b", r"(?a:\b)(?<=[0-9A-Za-z_])"),
        "v": (r"\x0b", r"\x0b"), "a": (r"\x07", r"\x07"), "R": (r"(?:\r\n|[\n\x0b\f\r])",) * 2,
    }  # fmt: skip
    if kind in fixed:
        return fixed[kind]
    if kind == "x" and body.startswith("x{"):
        return (same := _literal(int(body[2:-1], 16))), same
    if kind in "pP":
        return token, _python_property(token)
    if kind in "gkGKXCN" or (kind == "c"):
        raise Untranslatable(f"the escape {token}")
    return token, token


def _literal(code: int) -> str:
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise Untranslatable(f"the code point {code:x}")
    return re.escape(chr(code))


def _python_property(token: str) -> str:
    """Unicode properties exist in RE2 only: for all but letters, Python is given what it refuses."""
    return r"[^\W\d_]" if token == r"\p{L}" else token


def _translate_class(token: str) -> str:
    """A bracket class; POSIX names and class escapes inside it become ranges."""
    inner = re.sub(r"\[:(\^?)(\w+):\]", _posix, token[1:-1])
    inner = re.sub(r"\\x\{([0-9A-Fa-f]+)\}", lambda m: _class_literal(int(m[1], 16)), inner)
    # behind a class, "-" is a character and begins no range: [\w-.]
    inner = re.sub(r"(\\.)(-(?=.))?", _dash_behind, inner, flags=re.DOTALL)
    inner = re.sub(r"\\(.)", _class_escape, inner, flags=re.DOTALL)
    head = "^" if inner.startswith("^") else ""
    body = inner[len(head) :]
    if body.startswith("]"):
        body = r"\]" + body[1:]
    # a bare "[" is literal in Boost; Python warns of it, so it is escaped
    body = re.sub(r"(\\.)|\[", lambda m: m[1] or r"\[", body, flags=re.DOTALL)
    body = re.sub(r"(\\.)|([&~|-])(?=\2)", lambda m: m[1] or "\\" + m[2], body, flags=re.DOTALL)
    return f"[{head}{body}]"


def _dash_behind(match: re.Match[str]) -> str:
    if match[2] and match[1][1] in {*_CLASSES, *_NEGATED}:
        return match[1] + r"\-"
    return match[0]


def _posix(match: re.Match[str]) -> str:
    if match[1] or match[2] not in _POSIX:
        raise Untranslatable(f"the class name {match[0]}")
    return _POSIX[match[2]]


def _class_literal(code: int) -> str:
    char = _literal(code) and chr(code)
    return "\\" + char if char in r"\]^-[" else char


def _class_escape(match: re.Match[str]) -> str:
    char = match[1]
    if char in _CLASSES:
        return _CLASSES[char]
    if char in _NEGATED:
        # only the complement of one class can be written inside another
        return {"D": r"\x00-/:-\U0010ffff", "W": r"\x00-/:-@\[-\x5e`{-\U0010ffff",
                "S": r"\x00-\x08\x0e-\x1f!-\U0010ffff"}.get(char, match[0]).replace(
                    r"\U0010ffff", chr(0x10FFFF))  # fmt: skip
    if char == "b":
        return r"\x08"
    if char == "e":
        return r"\x1b"
    return match[0]


# --- edges ------------------------------------------------------------------------------------


def edges_of(pattern: str) -> Edges:
    """Turn lookarounds of one character at the pattern's edges into context around a core.

    A pattern with a choice at its top level is left whole: there an edge belongs to one branch only.
    """
    parts = list(tokens(pattern))
    flags = ""
    if parts and re.fullmatch(r"\(\?[ims]+\)", parts[0]):
        flags = parts.pop(0)
    if _has_top_level_choice(parts):
        return Edges("", flags + "".join(parts), "", 0)
    before, before_chars = "", 0
    if parts and parts[0] in ("(?<!", "(?<="):
        end = _closing(parts, 0)
        inside = _one_character("".join(parts[1:end]))
        if inside is not None:
            negative = parts[0] == "(?<!"
            before = rf"(?:\A|{_negate(inside)})" if negative else f"(?:{_class(inside)})"
            before_chars, parts = 1, parts[end + 1 :]
    after = ""
    if parts and parts[-1] == ")":
        start = _opening(parts)
        if start is not None and parts[start] in ("(?!", "(?="):
            inner = parts[start + 1 : -1]
            inside = _one_character("".join(inner))
            if parts[start] == "(?=":
                after, parts = f"(?:{''.join(inner)})", parts[:start]
            elif inside is not None:
                after, parts = rf"(?:{_negate(inside)}|\z)", parts[:start]
    # flags given at the start hold for the context as well
    return Edges(flags + before, "".join(parts), after, before_chars)


def _has_top_level_choice(parts: list[str]) -> bool:
    depth = 0
    for part in parts:
        if part.startswith("(") and not re.fullmatch(r"\(\?[A-Za-z-]+\)", part):
            depth += 1
        elif part == ")":
            depth -= 1
        elif part == "|" and depth == 0:
            return True
    return False


def _closing(parts: list[str], start: int) -> int:
    depth = 0
    for index in range(start, len(parts)):
        if parts[index].startswith("(") and not re.fullmatch(r"\(\?[A-Za-z-]+\)", parts[index]):
            depth += 1
        elif parts[index] == ")":
            depth -= 1
            if depth == 0:
                return index
    raise Untranslatable("a group is not closed")


def _opening(parts: list[str]) -> int | None:
    """The opener of the group that the last token closes, if it is a group of the top level."""
    depth = 0
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == ")":
            depth += 1
        elif parts[index].startswith("(") and not re.fullmatch(r"\(\?[A-Za-z-]+\)", parts[index]):
            depth -= 1
            if depth == 0:
                return index
    return None


def _one_character(inside: str) -> str | None:
    """The inside of a bracket class that matches exactly what `inside` does, or None.

    Takes a character, an escape, a class, or a choice of those.
    """
    members = []
    parts = list(tokens(inside))
    if len(parts) % 2 == 0 or any(part != "|" for part in parts[1::2]):
        return None
    for part in parts[::2]:
        if part.startswith(("[^", "(")) or part in (".", "|"):
            return None if len(parts) > 1 or not part.startswith("[^") else "^" + part[2:-1]
        if part.startswith("["):
            members.append(part[1:-1])
        elif part in (r"\b", r"\B", r"\A", r"\z", "*", "+", "?", "{", "}"):
            return None
        else:
            members.append("\\" + part if part in "^-]" else part)
    return "".join(members)


def _class(inside: str) -> str:
    return f"[{inside}]"


def _negate(inside: str) -> str:
    return f"[{inside[1:]}]" if inside.startswith("^") else f"[^{inside}]"


def relaxed(pattern: str) -> str:
    """A pattern that matches wherever the given one can: lookarounds dropped, possessives loosened.

    Empty when no such pattern can be made (backreferences).
    """
    parts = list(tokens(pattern))
    out: list[str] = []
    index = 0
    while index < len(parts):
        part = parts[index]
        if part in ("(?=", "(?!", "(?<=", "(?<!"):
            index = _closing(parts, index) + 1
            # the lookaround may be all there is of a branch or carry a quantifier: "()" stands in
            out.append("(?:)")
            continue
        if re.fullmatch(r"\\[1-9]\d*", part):
            return ""
        if part == "+" and out and out[-1] in ("+", "*", "?", "}"):
            index += 1
            continue
        out.append("(?:" if part == "(?>" else part)
        index += 1
    return "".join(out)
