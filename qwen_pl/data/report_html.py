"""Writes the report on a corpus as one page of HTML that needs nothing else to be shown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qwen_pl.data.report import FileReport


def html_page(
    reports: Sequence["FileReport"],
    totals: Mapping[str, Mapping[str, Any]],
    facts: Mapping[str, str],
) -> str:
    """The page for ``reports``, in their order."""
    return "<!doctype html>\n"
