"""dlpagent: write a sensitive information type once; it means the same everywhere AI touches data.

This package is the floor of the house: the words (records, findings, violations), the ports and the
sweep loop. It imports no room. See docs/architecture.md.
"""

import importlib as _importlib
from pathlib import Path as _Path
from typing import Any as _Any

__version__ = "0.1.0"

# The Python API (docs/python.md) lives in the roof. It is named here and loaded when first used, so
# that the floor imports no room and `import dlpagent` stays quick.
_API = {
    "open_pack": "dlpagent.service.api",
    "OpenPack": "dlpagent.service.api",
    "Finding": "dlpagent.service.api",
    "Findings": "dlpagent.service.api",
    "DlpAgentError": "dlpagent.errors",
}
__all__ = ["DlpAgentError", "Finding", "Findings", "OpenPack", "__version__", "open_pack"]


def __getattr__(name: str) -> _Any:
    if name not in _API:
        raise AttributeError(f"module 'dlpagent' has no attribute {name!r}")
    return getattr(_importlib.import_module(_API[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# In a source checkout the rooms stand beside this folder, not inside it (see [tool.setuptools] in
# pyproject.toml). Extending the path there lets an uninstalled checkout run; an installed package
# already holds them and must not pick up stray folders of the current directory.
_root = _Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "classifiers" / "sit.py").is_file():
    __path__.append(str(_root))
