"""The tables that join the rooms: connector names to classes. A new one is a row here.

Third parties add sources by the entry point group `dlpagent.connectors` (name → class).
"""

from __future__ import annotations

import glob
import importlib
import importlib.metadata
import inspect
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from dlpagent.connectors.sources._objects import ObjectPath, is_object_url
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.ports import Sink, Source

_SOURCES = "dlpagent.connectors.sources"
_SINKS = "dlpagent.connectors.sinks"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source: its class, the URI schemes it answers to, whether it may be picked by looking at files.

    remote: it reads objects of a store (s3://…) as it reads files.
    """

    name: str
    target: str
    schemes: tuple[str, ...] = ()
    by_file: bool = True
    extra: str = ""
    remote: bool = False


# In the order in which files are offered: special shapes before general ones, text last.
SOURCES: tuple[SourceRow, ...] = (
    SourceRow("chatgpt", f"{_SOURCES}.chatgpt:ChatGptExport"),
    SourceRow("claude-export", f"{_SOURCES}.claude_export:ClaudeExport"),
    SourceRow("chatgpt-compliance", f"{_SOURCES}.chatgpt_compliance:ChatGptCompliance"),
    SourceRow(
        "claude-compliance",
        f"{_SOURCES}.claude_compliance:ClaudeCompliance",
        ("claude-compliance",),
    ),
    SourceRow("claude-code", f"{_SOURCES}.claude_code:ClaudeCode"),
    SourceRow("codex", f"{_SOURCES}.codex:Codex"),
    SourceRow("m365-copilot", f"{_SOURCES}.m365_copilot:M365Copilot"),
    SourceRow(
        "graph",
        f"{_SOURCES}.graph_copilot:GraphCopilot",
        ("graph",),
        by_file=False,
        extra="purview",
    ),
    SourceRow("purview-audit", f"{_SOURCES}.purview_audit:PurviewAudit"),
    SourceRow(
        "o365-activity",
        f"{_SOURCES}.o365_activity:O365Activity",
        ("o365-activity",),
        by_file=False,
        extra="purview",
    ),
    SourceRow("api-log", f"{_SOURCES}.api_log:ApiLog"),
    SourceRow("otlp", f"{_SOURCES}.otlp:OtlpTraces"),
    SourceRow("slack", f"{_SOURCES}.slack_export:SlackExport"),
    SourceRow("open-webui", f"{_SOURCES}.open_webui:OpenWebUi"),
    SourceRow("teams", f"{_SOURCES}.teams:Teams"),
    SourceRow("librechat", f"{_SOURCES}.librechat:LibreChat"),
    SourceRow("langsmith", f"{_SOURCES}.langsmith:LangSmith"),
    SourceRow("litellm", f"{_SOURCES}.litellm:LiteLlm"),
    SourceRow("langfuse", f"{_SOURCES}.langfuse:Langfuse"),
    SourceRow("gemini-takeout", f"{_SOURCES}.gemini_takeout:GeminiTakeout"),
    SourceRow("qdrant-edge", f"{_SOURCES}.qdrant_edge:QdrantEdge", ("qdrant-edge",)),
    SourceRow("chroma", f"{_SOURCES}.chroma:Chroma", ("chroma",), extra="chroma"),
    SourceRow("lancedb", f"{_SOURCES}.lancedb:LanceDb", ("lancedb",), extra="lancedb"),
    SourceRow("milvus", f"{_SOURCES}.milvus:Milvus", ("milvus",), extra="milvus"),
    SourceRow(
        "pgvector",
        f"{_SOURCES}.pgvector:PgVector",
        ("postgresql", "postgres", "pgvector"),
        by_file=False,
        extra="pgvector",
    ),
    SourceRow("sqlite-vec", f"{_SOURCES}.sqlite_vec:SqliteVec", ("sqlite-vec",)),
    SourceRow("faiss", f"{_SOURCES}.faiss:Faiss", ("faiss",)),
    SourceRow("qdrant", f"{_SOURCES}.qdrant:Qdrant", ("qdrant",), by_file=False, extra="qdrant"),
    SourceRow(
        "redis", f"{_SOURCES}.redis:Redis", ("redis", "rediss"), by_file=False, extra="redis"
    ),
    SourceRow(
        "elasticsearch",
        f"{_SOURCES}.elasticsearch:Elasticsearch",
        ("elasticsearch", "opensearch"),
        by_file=False,
        extra="elasticsearch",
    ),
    SourceRow(
        "weaviate", f"{_SOURCES}.weaviate:Weaviate", ("weaviate",), by_file=False, extra="weaviate"
    ),
    SourceRow(
        "pinecone", f"{_SOURCES}.pinecone:Pinecone", ("pinecone",), by_file=False, extra="pinecone"
    ),
    SourceRow(
        "azure-search",
        f"{_SOURCES}.azure_search:AzureSearch",
        ("azure-search",),
        by_file=False,
        extra="azure-search",
    ),
    SourceRow("arrow", f"{_SOURCES}.arrow_file:ArrowFile", remote=True),
    SourceRow("mds", f"{_SOURCES}.mds:Mds", remote=True),
    SourceRow("parquet", f"{_SOURCES}.parquet:ParquetFile", remote=True),
    SourceRow("document", f"{_SOURCES}.document:DocumentFile", extra="documents"),
    SourceRow("webdataset", f"{_SOURCES}.tar_shards:TarShards", remote=True),
    SourceRow("tfrecord", f"{_SOURCES}.tfrecord:TfRecord", remote=True),
    SourceRow("tokens", f"{_SOURCES}.tokens:TokenFile", extra="tokens", remote=True),
    SourceRow("jsonl", f"{_SOURCES}.jsonl:JsonLines", remote=True),
    SourceRow("json", f"{_SOURCES}.json_array:JsonArray", remote=True),
    SourceRow("csv", f"{_SOURCES}.csv_file:CsvFile", remote=True),
    SourceRow("text", f"{_SOURCES}.text_file:TextFile", remote=True),
    SourceRow("dlt", f"{_SOURCES}.dlt_resource:DltResource", ("dlt",), by_file=False, extra="dlt"),
    SourceRow(
        "langchain",
        f"{_SOURCES}.langchain_loader:LangChainLoader",
        ("langchain",),
        by_file=False,
        extra="langchain",
    ),
    SourceRow("stdin", f"{_SOURCES}.stdin:Stdin", by_file=False),
)

SINKS: dict[str, str] = {
    "o365": f"{_SINKS}.o365_file:O365File",
    "ocsf": f"{_SINKS}.ocsf_file:OcsfFile",
    "purview": f"{_SINKS}.purview:Purview",
    "purview-content": f"{_SINKS}.purview_content:PurviewContent",
    "sentinel": f"{_SINKS}.sentinel:Sentinel",
    "cef": f"{_SINKS}.cef_syslog:CefSyslog",
    "webhook": f"{_SINKS}.webhook:Webhook",
    "sql": f"{_SINKS}.sql_table:SqlTable",
}

# Folders and files no one means when they name a folder to scan.
SKIPPED_NAMES = frozenset({".git", "__pycache__", ".DS_Store", "node_modules", ".venv"})


# Python objects as targets: dlt:module:resource, langchain:module:factory
_BRIDGE = re.compile(r"(dlt|langchain):(?=[A-Za-z_][\w.]*:)")


def is_uri(target: str) -> bool:
    """Whether a target is anything but a path or a glob."""
    return "://" in target or _BRIDGE.match(target) is not None


def load(target: str) -> Any:
    """The object behind "module:name"."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def source_rows() -> Iterator[SourceRow]:
    """Built-in sources, then those of installed packages."""
    known = {row.name for row in SOURCES}
    for entry in importlib.metadata.entry_points(group="dlpagent.connectors"):
        if entry.name not in known:
            yield SourceRow(entry.name, entry.value, (entry.name,))
    yield from SOURCES


def source_named(name: str) -> SourceRow:
    """The row of a connector. Raises ConfigurationError naming those there are."""
    for row in source_rows():
        if row.name == name:
            return row
    raise ConfigurationError(
        f"there is no connector {name}",
        expected="one of " + ", ".join(sorted(row.name for row in source_rows())),
        found=name,
        remedy="Leave --connector out to let dlpagent look at the files.",
    )


def open_sink(name: str, target: str | Path, **settings: Any) -> Sink:
    """A sink by name, writing to its target. Raises ConfigurationError for what it does not know."""
    if name not in SINKS:
        raise ConfigurationError(
            f"there is no sink {name}", expected="one of " + ", ".join(sorted(SINKS)), found=name
        )
    made = load(SINKS[name])
    _check_settings(made, f"the sink {name}", str(target), settings)
    sink: Sink = made(target, **settings)
    return sink


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A target, or a file below one, that could not be opened. It makes the run incomplete."""

    place: str
    error: SourceError


def open_sources(
    targets: Iterable[str], connector: str | None = None, **settings: Any
) -> Iterator[Source | Unreachable]:
    """The sources behind paths, globs, folders, URIs and "-".

    Raises ConfigurationError for a target that does not exist or a scheme nobody answers to; what
    exists but cannot be read is given as Unreachable, so that the rest is still scanned.
    """
    row = source_named(connector) if connector else None
    for target in targets:
        yield from _open_target(target, row, settings)


def _open_target(
    target: str, row: SourceRow | None, settings: dict[str, Any]
) -> Iterator[Source | Unreachable]:
    if target == "-":
        yield load(source_named("stdin").target)("-", form=_stdin_form(row))
        return
    scheme = _scheme_of(target)
    if scheme not in ("", "file") and not _has_connector(scheme) and is_object_url(target):
        yield from _open_objects(target, row, settings)
        return
    if scheme not in ("", "file"):
        yield _made(row or _by_scheme(target, scheme), target, settings)
        return
    path = Path(unquote(target[len("file://") :]) if scheme else target)
    for found in _paths_of(path):
        yield from _open_path(found, row, settings)


def _has_connector(scheme: str) -> bool:
    return any(scheme in row.schemes for row in source_rows())


def _open_objects(
    target: str, row: SourceRow | None, settings: dict[str, Any]
) -> Iterator[Source | Unreachable]:
    """An object, all below a prefix, or what a pattern matches."""
    if row is not None and not row.remote:
        raise ConfigurationError(
            f"the connector {row.name} does not read objects of a store",
            where=target,
            expected="one of "
            + ", ".join(sorted(each.name for each in source_rows() if each.remote)),
            found=row.name,
            remedy="Copy them to a folder of this machine first.",
        )
    try:
        found = ObjectPath(target).matches()
    except SourceError as error:
        yield Unreachable(target, error)
        return
    if not found:
        raise _nothing_here(target)
    for path in found:
        yield from _open_path(cast("Path", path), row, settings)


def _scheme_of(target: str) -> str:
    """The scheme of a URI in lower case; "" for paths and globs, brackets and all."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", target) or _BRIDGE.match(target)
    return found[1].lower() if found else ""


def _made(row: SourceRow, target: str | Path, settings: dict[str, Any]) -> Source:
    """A source of its class. Raises ConfigurationError for a setting it does not know."""
    made = load(row.target)
    _check_settings(made, f"the connector {row.name}", str(target), settings)
    # an object goes as the path it is, with what the listing said of it
    source: Source = made(target if isinstance(target, ObjectPath) else str(target), **settings)
    return source


def _check_settings(made: Any, what: str, target: str, settings: dict[str, Any]) -> None:
    """Raises ConfigurationError for a setting a connector does not know, misses or cannot use."""
    known = {
        name: item.default
        for name, item in list(inspect.signature(made).parameters.items())[1:]
        if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY) and name != "clock"
    }
    for name, value in settings.items():
        wanted = _wanted(known.get(name), value)
        if wanted:
            raise ConfigurationError(
                f"the setting {name} of {what} is wrong",
                where=target,
                expected=wanted,
                found=str(value)[:40],
            )
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ConfigurationError(
            f"{what} has no setting {', '.join(map(str, unknown))}",
            where=target,
            expected=f"some of {', '.join(known)}" if known else "no settings",
            found=", ".join(map(str, unknown)),
        )
    missing = [n for n, default in known.items() if default is inspect.Parameter.empty]
    if missing := [name for name in missing if name not in settings]:
        raise ConfigurationError(
            f"{what} needs more settings",
            where=target,
            expected=", ".join(missing),
            found="none of that name",
            remedy="Name them under settings: in the sweep file.",
        )


def _wanted(default: Any, value: Any) -> str:
    """What a setting with this default must be, when the value is something else."""
    if type(default) is int and (type(value) is not int or value < 1):
        return "a whole number from 1"
    if type(default) is float and (type(value) not in (int, float) or not value > 0):
        return "a number above 0"
    if type(default) is str and type(value) is not str:
        return "text"
    if type(default) is tuple and (isinstance(value, str) or not isinstance(value, list | tuple)):
        return "a list"
    return ""


def _stdin_form(row: SourceRow | None) -> str:
    """How standard input is read: as JSON Lines, as text, or as its first bytes look."""
    name = row.name if row else "stdin"
    if name not in ("stdin", "jsonl", "text"):
        raise ConfigurationError(
            f"standard input cannot be read with the connector {name}",
            where="--connector",
            expected="jsonl or text",
            found=name,
            remedy="Write it to a file first.",
        )
    return "auto" if name == "stdin" else name


def _by_scheme(target: str, scheme: str) -> SourceRow:
    for row in source_rows():
        if scheme in row.schemes:
            return row
    schemes = sorted({name for row in source_rows() for name in row.schemes} | {"file"})
    raise ConfigurationError(
        f"no connector answers to {scheme}://",
        where=target,
        expected="a path, a glob, - or one of " + ", ".join(f"{name}://" for name in schemes),
        found=f"{scheme}://",
        remedy="Check the spelling, or install the extra that brings the connector.",
    )


def _paths_of(path: Path) -> list[Path]:
    try:
        path.lstat()
        return [path]
    except PermissionError:
        return [path]  # it is there for all we know, and reported when it is opened
    except (OSError, ValueError):  # not there, a name too long, a zero byte
        pass
    if any(sign in str(path) for sign in "*?[") and "\0" not in str(path):
        found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - absolute patterns too
        if found:
            return [Path(name) for name in found]
    raise _nothing_here(str(path))


def _nothing_here(target: str) -> ConfigurationError:
    return ConfigurationError(
        "there is nothing to scan here",
        where=target,
        expected="an existing file or folder, a glob that matches, a URI, or -",
        found="nothing",
        remedy="Check the path; quote globs that the shell should not expand.",
    )


def _open_path(
    path: Path, row: SourceRow | None, settings: dict[str, Any]
) -> Iterator[Source | Unreachable]:
    """A file, a folder that is one store or export, or every file below a folder."""
    try:
        if path.is_dir():
            yield from _open_folder(path, row, settings)
        else:
            if not isinstance(path, ObjectPath):
                with path.open("rb"):
                    pass
            yield _source_of(path, row, settings)
    except OSError as error:
        yield Unreachable(str(path), _unreadable(path, error))
    except SourceError as error:
        yield Unreachable(str(path), error)


def _unreadable(path: Path, error: OSError) -> SourceError:
    return SourceError(
        "this cannot be read",
        where=str(path),
        expected="a file or folder this user may read",
        found=error.strerror or type(error).__name__,
        remedy="Give this user the right to read it, or leave it out.",
    )


def _open_folder(
    path: Path, row: SourceRow | None, settings: dict[str, Any]
) -> Iterator[Source | Unreachable]:
    if not isinstance(path, ObjectPath):
        with os.scandir(path):  # a folder without rights is reported, not walked past
            pass
    whole = _recognised(path, row)
    if whole is not None:
        yield _made(whole, path, settings)
        return
    for child in sorted(path.iterdir()):
        if child.name in SKIPPED_NAMES or (child.is_symlink() and child.is_dir()):
            continue
        if child.is_file() or child.is_dir():
            yield from _open_path(child, row, settings)


def _recognised(path: Path, row: SourceRow | None) -> SourceRow | None:
    """The source that takes this path as a whole, asked in the order of the table."""
    for candidate in [row] if row else source_rows():
        if isinstance(path, ObjectPath) and not candidate.remote:
            continue
        if (row or candidate.by_file) and _takes(candidate, path):
            return candidate
    return None


def is_one_source(path: Path) -> bool:
    """Whether a folder is one store or export, rather than a folder of files."""
    return path.is_dir() and _recognised(path, None) is not None


def _takes(row: SourceRow, path: Path) -> bool:
    recognises = getattr(load(row.target), "recognises", None)
    return bool(recognises and recognises(path))


def _source_of(path: Path, row: SourceRow | None, settings: dict[str, Any]) -> Source:
    chosen = row or _recognised(path, None) or source_named("text")
    return _made(chosen, path, settings)
