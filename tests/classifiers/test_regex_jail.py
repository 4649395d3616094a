"""The jail: it kills in time, comes back after every death, and serves threads and forks."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dlpagent.classifiers.regex_jail import FEW_MATCHES, MAX_MATCHES_PER_ANSWER, Jail, answer
from dlpagent.classifiers.regex_syntax import RuleTimeout

SLOW = r"(a+)+(?<=x)b"
SLOW_TEXT = "a" * 60 + "c"


@pytest.fixture(scope="module")
def jail() -> Iterator[Jail]:
    opened = Jail()
    yield opened
    opened.close()


def works(jail: Jail) -> bool:
    return jail.find("a", "bab", 0, 5.0) == ([(1, 2)], False)


def child_of(jail: Jail) -> int:
    assert jail._child is not None
    return jail._child.pid


def test_a_match_that_takes_too_long_is_killed_and_the_next_question_answered(jail: Jail) -> None:
    assert works(jail)
    begun = time.monotonic()
    with pytest.raises(RuleTimeout):
        jail.find(SLOW, SLOW_TEXT, 0, 0.5)
    assert time.monotonic() - begun < 3
    assert works(jail)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_child_that_died_is_replaced(jail: Jail, number: int) -> None:
    assert works(jail)
    first = child_of(jail)
    os.kill(first, number)
    assert works(jail)
    assert child_of(jail) != first


def test_a_child_that_stops_reading_does_not_block_the_parent(jail: Jail) -> None:
    assert works(jail)
    os.kill(child_of(jail), signal.SIGSTOP)
    begun = time.monotonic()
    assert jail.find("c", "x" * 1_000_000 + "c", 0, 1.0) == ([(1_000_000, 1_000_001)], False)
    assert time.monotonic() - begun < 6


@pytest.mark.parametrize(
    "pattern", ["(", "(?P<value>a)(?P<value>b)", "(" * 3_000 + ")" * 3_000, "a{5,1}"]
)
def test_a_pattern_that_breaks_the_child_counts_as_out_of_time(jail: Jail, pattern: str) -> None:
    with pytest.raises(RuleTimeout):
        jail.find(pattern, "a", 0, 5.0)
    assert works(jail)


def test_a_child_that_cannot_be_started_counts_as_out_of_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(RuleTimeout):
        Jail().find("a", "a", 0, 1.0)


def test_threads_ask_one_after_the_other_and_get_their_own_answers(jail: Jail) -> None:
    def ask(number: int) -> bool:
        text = "-" * number + "a"
        if number % 10 == 7:
            with pytest.raises(RuleTimeout):
                jail.find(SLOW, SLOW_TEXT, 0, 0.2)
        return jail.find("a", text, 0, 5.0) == ([(number, number + 1)], False)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(40)))


def test_a_forked_process_has_a_child_of_its_own(jail: Jail) -> None:
    assert works(jail)
    mine = child_of(jail)
    pid = os.fork()
    if pid == 0:
        # the lock may be held at the moment of the fork; the child's jail starts anew
        ok = jail._child is None and works(jail) and child_of(jail) != mine
        jail.close()
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert works(jail)
    assert child_of(jail) == mine


def test_the_child_is_out_of_reach_of_the_terminal(jail: Jail) -> None:
    assert works(jail)
    assert os.getsid(child_of(jail)) != os.getsid(0)


def test_a_text_is_sent_once_and_never_taken_for_another(jail: Jail) -> None:
    for text in ("aXa", "aXa", "bXa", "aXa"):
        assert jail.find("a", text, 1, 5.0) == ([(2, 3)], False)
    os.kill(child_of(jail), signal.SIGKILL)
    assert jail.find("a", "aXa", 1, 5.0) == ([(2, 3)], False)


@pytest.mark.parametrize(
    ("pattern", "text", "position", "found", "more"),
    [
        ("a", "aaa", 0, [(0, 1), (1, 2), (2, 3)], False),
        ("a", "aaa", 1, [(1, 2), (2, 3)], False),
        ("a*", "baab", 0, [(1, 3)], False),
        ("(?<=b)a", "ba", 1, [(1, 2)], False),
        (r"'(?P<value>\w+)'", "'one'two'", 0, [(1, 4), (5, 8)], False),
        ("(?P<value>x)?a", "aaxa", 0, [(2, 3)], False),
        ("a", "", 0, [], False),
        ("a", "a", 5, [], False),
        ("a", "\ud800a", 0, [(1, 2)], False),
        ("a", "a" * 2_000, 0, [(n, n + 1) for n in range(MAX_MATCHES_PER_ANSWER)], True),
    ],
)
def test_an_answer_holds_matches_that_are_not_empty_in_order(
    pattern: str, text: str, position: int, found: list[tuple[int, int]], more: bool
) -> None:
    assert answer(pattern, text, position) == (found, more)


def test_a_short_answer_says_that_more_may_follow() -> None:
    found, more = answer("a", "a" * 100, 0, few=True)
    assert (len(found), more) == (FEW_MATCHES, True)


def test_closing_leaves_no_process_and_no_thread_waiting() -> None:
    jail = Jail()
    assert works(jail)
    pid = child_of(jail)
    threads = threading.active_count()
    jail.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert threading.active_count() <= threads
