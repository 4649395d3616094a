"""Golden files: every sample of an interaction log gives exactly these users, times, models, texts.

To make one anew after a change that is meant: DLPAGENT_WRITE_GOLDENS=1; then read the difference.
"""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[2] / "data"
GOLDENS = DATA / "goldens"
SAMPLES = [
    ("m365_copilot:M365Copilot", "m365-copilot/page-1.json"),
    ("m365_copilot:M365Copilot", "m365-copilot/page-2.json"),
    ("m365_copilot:M365Copilot", "m365-copilot/page-3.json"),
    ("purview_audit:PurviewAudit", "audit/search.csv"),
    ("purview_audit:PurviewAudit", "audit/record-1.json"),
    ("chatgpt:ChatGptExport", "chatgpt/single.zip"),
    ("chatgpt:ChatGptExport", "chatgpt/sharded.zip"),
    ("chatgpt_compliance:ChatGptCompliance", "compliance/chatgpt-conversations.jsonl"),
    ("chatgpt_compliance:ChatGptCompliance", "compliance/chatgpt-log.jsonl"),
    ("claude_export:ClaudeExport", "claude/export.zip"),
    ("claude_compliance:ClaudeCompliance", "compliance/claude-activities.json"),
    ("claude_compliance:ClaudeCompliance", "compliance/claude-chat.json"),
    ("api_log:ApiLog", "api-log/chat_request_pii.json"),
    ("api_log:ApiLog", "api-log/cc_function_calling_request.json"),
    ("api_log:ApiLog", "api-log/cc_function_calling_response.json"),
    ("otlp:OtlpTraces", "otlp/genai_traces_three_dialects.json"),
    ("otlp:OtlpTraces", "otlp/events.json"),
    ("otlp:OtlpTraces", "otlp/logs.json"),
    ("litellm:LiteLlm", "gateways/litellm.jsonl"),
    ("langfuse:Langfuse", "gateways/langfuse.jsonl"),
    ("langsmith:LangSmith", "langsmith/runs.jsonl"),
    ("open_webui:OpenWebUi", "open-webui/chats-export.json"),
    ("librechat:LibreChat", "librechat/export.json"),
    ("librechat:LibreChat", "librechat/recursive.json"),
    ("librechat:LibreChat", "librechat/messages.jsonl"),
    ("slack_export:SlackExport", "slack/export.zip"),
    ("teams:Teams", "teams/chat-messages.json"),
    ("teams:Teams", "teams/channel-messages.jsonl"),
    ("teams:Teams", "teams/messages.json"),
    ("gemini_takeout:GeminiTakeout", "gemini/MyActivity.json"),
    ("claude_code:ClaudeCode", "transcripts/claude-code.jsonl"),
    ("codex:Codex", "transcripts/codex.jsonl"),
]
_SHOWN = ("part", "text", "status", "problem", "role")
_SHARED = ("actor_id", "app", "model", "conversation_id", "parent_id", "created_at", "labels")


def told(name: str, file: str) -> list[dict[str, Any]]:
    """Each record with what all its rows share, and its parts; what is empty is left out."""
    module, _, kind = name.partition(":")
    made = getattr(importlib.import_module(f"dlpagent.connectors.sources.{module}"), kind)
    source = made(str(DATA / file))
    (asset,) = source.discover()
    found: dict[str, dict[str, Any]] = {}
    for batch, _ in source.read(asset):
        for row in batch.to_pylist():
            shared = {key: row[key] for key in _SHARED if row[key] is not None}
            if "created_at" in shared:
                shared["created_at"] = shared["created_at"].isoformat()
            record = found.setdefault(row["record_id"], {"id": row["record_id"], **shared})
            part = {key: row[key] for key in _SHOWN if row[key] is not None}
            record.setdefault("parts", []).append(part)
    return list(found.values())


@pytest.mark.parametrize(("name", "file"), SAMPLES, ids=[file for _, file in SAMPLES])
def test_a_sample_gives_the_users_times_models_roles_and_texts_written_down(
    name: str, file: str
) -> None:
    golden = GOLDENS / (file.replace("/", "--") + ".json")
    found = told(name, file)
    if os.environ.get("DLPAGENT_WRITE_GOLDENS"):
        golden.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert found == json.loads(golden.read_text("utf-8"))
    assert any(part.get("text") for record in found for part in record["parts"]) or "audit" in file
