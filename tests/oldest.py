"""Prints the lowest versions that pyproject.toml promises, as pip takes them: ``make test-oldest``.

What the tests need beside them, and what a promised package leaves open, stays as pinned in
tests/requirements.txt.
"""

import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_LOWEST = re.compile(r'"([\w.-]+(?:\[\w+\])?)>=([\w.]+)')


def lowest(section: str, text: str) -> list[str]:
    """``name==version`` for each ``"name>=version..."`` of a list in pyproject.toml."""
    content = re.search(rf"^{section} = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
    assert content is not None, section
    return [f"{name}=={version}" for name, version in _LOWEST.findall(content[1])]


def main() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    for section in ("dependencies", *sys.argv[1:]):
        print("\n".join(lowest(section, text)))


if __name__ == "__main__":
    main()
