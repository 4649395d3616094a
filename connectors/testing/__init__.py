"""Kits for tests: what connectors are held to, without the services they talk to."""

from dlpagent.connectors.testing.changes import (
    Writable,
    check_misses_nothing_while_records_change,
)
from dlpagent.connectors.testing.conformance import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_form,
    check_reads_exactly,
    check_resumes_everywhere,
    check_survives_failures,
)
from dlpagent.connectors.testing.loopback import Answer, Faults, Request, forwarding, serving

__all__ = [
    "Answer",
    "Faults",
    "Request",
    "Writable",
    "check_closes_what_it_opens",
    "check_discovers_the_same_again",
    "check_form",
    "check_misses_nothing_while_records_change",
    "check_reads_exactly",
    "check_resumes_everywhere",
    "check_survives_failures",
    "forwarding",
    "serving",
]
