"""Tokens whose prefix already says what they are."""

from dlpagent.classifiers.validators.secrets import is_placeholder

MIN_DIFFERENT = 6


def marked_token(text: str) -> bool:
    """A token of a format with a prefix of its own, not a stand-in for one (xxxx, EXAMPLE, ****).

    For regexes whose prefix and length are distinctive: only placeholders, repetitions and tokens
    of fewer than 6 different characters are refused, so short and upper-case formats pass too.
    """
    bare = text.strip().strip("\"'`")
    return len(set(bare.lower())) >= MIN_DIFFERENT and not is_placeholder(bare)


VALIDATORS = {"marked_token": marked_token}
