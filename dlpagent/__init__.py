"""dlpagent: write a sensitive information type once; it means the same everywhere AI touches data.

This package is the floor of the house: the words (records, findings, violations), the ports and the
sweep loop. It imports no room. See docs/architecture.md.
"""

from pathlib import Path as _Path

__version__ = "0.1.0"

# In a source checkout the rooms stand beside this folder, not inside it (see [tool.setuptools] in
# pyproject.toml). Extending the path there lets an uninstalled checkout run; an installed package
# already holds them and must not pick up stray folders of the current directory.
_root = _Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "classifiers" / "sit.py").is_file():
    __path__.append(str(_root))
