"""Writes the report on a corpus: report.json for programs, report.html for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from qwen_pl.data.report.file_report import FileReport
from qwen_pl.data.report.html import html_page
from qwen_pl.data.report.table import by_trouble, totals
from qwen_pl.data.report.worst_pages import storable
from qwen_pl.files import write_text


def write_report(
    folder: Path, reports: Sequence[FileReport], *, facts: Mapping[str, str] | None = None
) -> None:
    """Writes ``report.json`` and ``report.html`` into ``folder``.

    Args:
        reports: In the order of the corpus, which report.json keeps.
        facts: More to tell about the corpus as a whole, by name.
    """
    facts = dict(facts or {})
    head = json.dumps({"facts": facts, "totals": totals(reports)}, ensure_ascii=False, indent=1)
    # Without the excerpts, which report.html has: those of 10,000 files would be 50 MB.
    files = [
        json.dumps(report.to_json() | {"excerpts": []}, ensure_ascii=False) for report in reports
    ]
    content = head.removesuffix("\n}") + ',\n "files": [\n' + ",\n".join(files) + "\n ]\n}\n"
    write_text(folder / "report.json", storable(content))  # one line for every file
    page = html_page(by_trouble(reports), totals(reports), facts)
    write_text(folder / "report.html", page)
