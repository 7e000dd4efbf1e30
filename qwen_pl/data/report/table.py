"""The table of a corpus for the terminal, and the sums that all reports show."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from qwen_pl.data.report.file_report import FileReport

_LINES_LISTED = 10


_WIDTH = 100


def status_table(reports: Sequence[FileReport]) -> str:
    """A table for the terminal: a row for every status, then the troubled files with reasons.

    No line has more than 100 columns, and the whole no more than some 20 lines.
    """
    rows = [["status", "files", "pages", "characters", "words/page", "seconds"]]
    sums = totals(reports)
    for status, total in sums.items():
        if status == "all" and len(sums) == 2:
            continue
        counts = [f"{total[name]:,}" for name in ("files", "pages", "characters")]
        per_page = total["words"] / max(total["pages"], 1)
        rows.append([status, *counts, f"{per_page:,.0f}", f"{total['seconds']:,.1f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    troubled = [r for r in by_trouble(reports) if r.trouble() and r.status != "duplicate"]
    for report in troubled[:_LINES_LISTED]:
        lines.append(_line(report))
    if len(troubled) > _LINES_LISTED:
        lines.append(f"... and {len(troubled) - _LINES_LISTED:,} more: see report.html")
    return "\n".join(lines)


def by_trouble(reports: Sequence[FileReport]) -> list[FileReport]:
    """The reports, the most troubled first and the order kept among equals."""
    return sorted(reports, key=FileReport.severity, reverse=True)


def totals(reports: Sequence[FileReport]) -> dict[str, dict[str, Any]]:
    """Sums by status, ``ok`` first and ``all`` last."""
    met = sorted({report.status for report in reports}, key=lambda status: (status != "ok", status))
    groups = {status: [r for r in reports if r.status == status] for status in met}
    groups["all"] = list(reports)
    return {
        status: {
            "files": len(group),
            **{
                name: sum(getattr(report, name) for report in group)
                for name in ("pages", "empty_pages", "characters", "words")
            },
            "seconds": round(sum(report.seconds for report in group), 3),
        }
        for status, group in groups.items()
    }


def _line(report: FileReport) -> str:
    """What is wrong with a file, after as much of its path as there is room for."""
    status = "" if report.status == "ok" else f"{report.status}, "
    trouble = _cut(f": {status}{report.trouble()}", _WIDTH - 25)
    room = _WIDTH - sum(map(_columns, trouble))
    return _cut(report.path[::-1], room)[::-1] + trouble


def _cut(text: str, width: int) -> str:
    """One line of at most ``width`` columns that no terminal takes for a command."""
    text = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    if sum(map(_columns, text)) <= width:
        return text
    while sum(map(_columns, text)) > width - 1:
        text = text[:-1]
    return text + "…"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
