"""The child process: what it sends counts, what it takes too much of is told, and it is replaced."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest

from dlpagent.connectors.documents import parent
from dlpagent.connectors.documents.child import Question
from dlpagent.connectors.documents.limits import Limits
from dlpagent.connectors.documents.parent import close_idle, rows_of
from dlpagent.connectors.documents.report import Row
from tests.connectors.documents.hostile_office import docx
from tests.connectors.documents.hostile_zips import plain_zip

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX")


def asked(raw: bytes, name: str = "a.zip", **limits: float) -> list[Row]:
    question = Question("", name, Limits(**limits), raw)  # type: ignore[arg-type]
    return [row for rows in rows_of(question, len(raw)) for row in rows]


def idle_pid() -> int:
    (child,) = parent._idle
    return child._process.pid


def test_one_child_serves_file_after_file() -> None:
    assert [row["text"] for row in asked(plain_zip({"a.txt": b"one"}))] == ["one"]
    pid = idle_pid()
    assert [row["text"] for row in asked(b"<html>two", "a.html")] == ["two"]
    assert idle_pid() == pid


def test_a_file_that_takes_too_long_is_told_with_its_place_and_the_child_replaced() -> None:
    asked(b"<html>x", "a.html")
    pid = idle_pid()
    slow = plain_zip({"before.txt": b"before", "slow.html": b"<html>" + b"<![CDATA[" * 300_000})
    rows = asked(slow, max_seconds=0.6)
    assert rows[0]["text"] == "before"
    assert (rows[-1]["inner"], rows[-1]["status"]) == ("slow.html", "unread")
    assert "max_seconds" in rows[-1]["problem"]
    assert not parent._idle
    assert asked(b"<html>y", "a.html")[0]["text"] == "y"
    assert idle_pid() != pid


def test_a_file_that_takes_too_much_memory_is_told() -> None:
    rows = asked(docx(b'<d a="' + b"x" * (60 << 20)), "a.docx", max_memory_mb=330)
    assert rows[-1]["status"] == "unread"
    assert asked(b"<html>y", "a.html")[0]["text"] == "y"


def test_a_child_that_is_killed_costs_one_file_at_most() -> None:
    asked(b"<html>x", "a.html")
    os.kill(idle_pid(), signal.SIGKILL)
    os.waitid(os.P_PID, idle_pid(), os.WEXITED | os.WNOWAIT)
    assert asked(b"<html>y", "a.html")[0]["text"] == "y"


def test_the_child_can_write_no_file_and_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLPAGENT_HOSTILE_SECRET", "x")
    close_idle()
    asked(b"<html>x", "a.html")
    limits = Path(f"/proc/{idle_pid()}/limits")
    if not limits.exists():
        pytest.skip("no /proc here")
    size = next(
        line for line in limits.read_text().splitlines() if line.startswith("Max file size")
    )
    assert size.split()[3:5] == ["0", "0"]
    environment = Path(f"/proc/{idle_pid()}/environ").read_bytes()
    assert b"DLPAGENT" not in environment


def test_a_file_that_is_gone_is_told() -> None:
    question = Question(str(Path("/nonexistent/a.pdf")), "a.pdf", Limits())
    (rows,) = list(rows_of(question, 0))
    assert "No such file" in rows[0]["problem"]


def test_closing_early_ends_the_work() -> None:
    big = plain_zip({f"{n}.txt": b"x" * 400_000 for n in range(50)})
    answers = rows_of(Question("", "a.zip", Limits(), big), len(big))
    next(answers)
    answers.close()
    assert not parent._idle


def test_messages_come_whole_or_not_at_all() -> None:
    from dlpagent.connectors.documents.child import receive, send

    pipe = io.BytesIO()
    send(pipe, b"abc")
    raw = pipe.getvalue()
    assert receive(io.BytesIO(raw)) == b"abc"
    assert [receive(io.BytesIO(raw[:cut])) for cut in range(len(raw))] == [None] * len(raw)
