"""Small packs for tests, written as YAML the way a user writes them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.sit import Pack

SIT_ID = "11111111-1111-4111-8111-111111111111"

HEAD = f"""
id: {SIT_ID}
name: Test type
version: 1
parity: own
"""


def pack_of(tmp_path: Path, *sits: str, shared: str = "") -> Pack:
    """A pack of SIT bodies (without id, name, version, parity unless they give an id)."""
    folder = tmp_path / "pack"
    (folder / "_shared").mkdir(parents=True, exist_ok=True)
    for old in folder.rglob("*.yaml"):
        old.unlink()
    (folder / "pack.yaml").write_text("id: test\nname: test\nversion: 1.0.0.0\n")
    for number, body in enumerate(sits):
        text = textwrap.dedent(body)
        if not text.lstrip().startswith("id:"):
            text = HEAD + text
        (folder / f"sit{number}.yaml").write_text(text, encoding="utf-8")
    if shared:
        (folder / "_shared" / "shared.yaml").write_text(textwrap.dedent(shared), encoding="utf-8")
    return load_pack(folder)


def compiled(tmp_path: Path, *sits: str, shared: str = "") -> CompiledPack:
    """The same, ready to run."""
    return CompiledPack(pack_of(tmp_path, *sits, shared=shared))
