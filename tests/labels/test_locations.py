"""Where an item is, in the words a policy may use: the table of docs/policies.md."""

import pytest

from dlpagent.labels.locations import LOCATIONS, Globs, glob_test, locations_of, possible_locations
from dlpagent.records import Asset

CASES = [
    ("chat_log", ["user"], "ChatGPT", "prompt chatgpt any"),
    ("chat_log", ["assistant"], "ChatGPT", "response chatgpt any"),
    ("chat_log", ["assistant"], "chatgpt-enterprise", "response chatgpt any"),
    ("chat_log", ["system"], "ChatGPT", "prompt chatgpt any"),
    ("chat_log", ["developer"], "ChatGPT", "prompt chatgpt any"),
    ("chat_log", ["tool"], "Claude Code", "prompt claude any"),
    ("chat_log", ["USER"], "Claude", "prompt claude any"),
    ("chat_log", ["model"], "Gemini", "response other-ai-app any"),
    ("chat_log", ["upload"], "Claude", "upload claude any"),
    ("chat_log", ["attachment", "user"], "Claude", "upload prompt claude any"),
    ("chat_log", ["assistant", "user"], "ChatGPT", "response prompt chatgpt any"),
    ("chat_log", ["never heard of"], "ChatGPT", "prompt chatgpt any"),
    ("chat_log", [], "ChatGPT", "prompt chatgpt any"),
    ("chat_log", [""], "ChatGPT", "prompt chatgpt any"),
    ("chat_log", ["user"], None, "prompt other-ai-app any"),
    ("chat_log", ["user"], "", "prompt other-ai-app any"),
    ("chat_log", ["user"], "Microsoft 365 Copilot", "prompt copilot any"),
    ("chat_log", ["user"], "IPM.SkypeTeams.Message.Copilot.Word", "prompt copilot any"),
    ("chat_log", ["user"], "GitHub Copilot", "prompt other-ai-app any"),
    ("chat_log", ["user"], "Open WebUI", "prompt other-ai-app any"),
    ("stream", [], None, "prompt any"),
    ("stream", ["user"], None, "prompt any"),
    ("stream", ["assistant"], "Claude", "response claude any"),
    ("vector_collection", [], None, "vector-collection any"),
    ("vector_collection", ["user"], None, "vector-collection any"),
    ("vector_collection", [], "ChatGPT", "vector-collection chatgpt any"),
    ("dataset", [], None, "dataset any"),
    ("dataset", ["assistant", "user"], None, "dataset any"),
    ("document", [], None, "file any"),
    ("document", [], "Copilot", "file copilot any"),
]


@pytest.mark.parametrize(("kind", "roles", "app", "expected"), CASES)
def test_an_item_is_at_these_locations_most_telling_first(kind, roles, app, expected):
    assert " ".join(locations_of(kind, roles, app)) == expected


def test_every_location_of_the_vocabulary_is_reached_by_some_item():
    assert {word for *_, expected in CASES for word in expected.split()} == set(LOCATIONS)


@pytest.mark.parametrize(("kind", "roles", "app", "expected"), CASES)
def test_no_item_is_where_its_asset_could_not_be(kind, roles, app, expected):  # noqa: ARG001
    asset = Asset("x:///", kind, "x", app=app)
    assert set(locations_of(kind, roles, app)) <= possible_locations(asset)


@pytest.mark.parametrize(
    ("include", "exclude", "name", "admitted"),
    [
        ([], [], "anything", True),
        ([], [], None, True),
        (["ChatGPT*"], [], "chatgpt enterprise", True),
        (["ChatGPT*"], [], "the ChatGPT", False),
        (["*/hr/*"], [], "file:///data/HR/2025/x.jsonl", True),
        (["*/hr/*"], [], "file:///data/hr", False),
        (["a?c"], [], "abc", True),
        (["a?c"], [], "abbc", False),
        (["[ab]x"], [], "bx", True),
        (["[ab]x"], [], "cx", False),
        (["a", "b"], [], "b", True),
        (["a.c"], [], "abc", False),
        ([], ["*sandbox*"], "qdrant:///sandbox/x", False),
        ([], ["*sandbox*"], "qdrant:///prod/x", True),
        (["*"], ["b"], "b", False),
        (["*"], [], None, False),
        ([], ["b"], None, True),
        (["*"], [], "two\nlines", True),
    ],
)
def test_globs_admit_what_is_included_and_not_excluded(include, exclude, name, admitted):
    assert glob_test(Globs(tuple(include), tuple(exclude)))(name) is admitted
