"""Options shared by verbs."""

from __future__ import annotations

import pytest

from dlpagent.errors import ConfigurationError
from dlpagent.service.cli.options import checked_choice


def test_a_choice_is_one_of_those_there_are() -> None:
    assert checked_choice("b", "--x", ("a", "b")) == "b"
    with pytest.raises(ConfigurationError, match="--x") as caught:
        checked_choice("c", "--x", ("a", "b"))
    assert (caught.value.expected, caught.value.found) == ("one of a, b", "c")
