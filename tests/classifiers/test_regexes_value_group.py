"""A group named value is the match; what surrounds it is context."""

import pytest

from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.regexes import matcher


def _found(pattern: str, text: str, accept=None) -> list[str]:
    subject = Subject.of(text)
    return [text[start:end] for start, end in matcher(pattern).spans(subject, accept)]


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"pw=(?P<value>\w+)", "pw=one pw=two", ["one", "two"]),
        (r"pw=(?P<value>\w+)", "é pw=één pw=two", ["two"]),
        (r"(?<![a-z])pw=(?P<value>\w+);", "pw=one;pw=two; xpw=no;", ["one", "two"]),
        (r"(?:user|pw)=(?P<value>\d*)x?", "pw=x user=12 pw=3x", ["12", "3"]),
        (r"pw=(?P<value>\w+)(?=;)", "pw=one;", ["one"]),
        # neither of these can run on RE2
        (r"(['\"])(?P<value>\w+)\1", "'one' \"two\" 'three\"", ["one", "two"]),
        (r"(?<=pw=)(?P<value>\w+)", "pw=one", ["one"]),
    ],
)
def test_the_match_is_the_value_group(pattern: str, text: str, found: list[str]) -> None:
    assert _found(pattern, text) == found


def test_validators_see_the_value_alone_and_the_search_goes_on_behind_a_rejected_one() -> None:
    seen: list[str] = []

    def accept(value: str) -> bool:
        seen.append(value)
        return value != "bad"

    assert _found(r"pw=(?P<value>\w+)", "pw=bad pw=good", accept) == ["good"]
    assert seen == ["bad", "good"]
