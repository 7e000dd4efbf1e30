"""Writes the report on a corpus: report.json for programs, report.html for people."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from qwen_pl.data.cache_dir import CorpusEntry
from qwen_pl.data.page.legibility import MAYBE_GLUED
from qwen_pl.data.report.file_report import FileReport, by_trouble, totals
from qwen_pl.data.report.worst_pages import storable
from qwen_pl.files import write_text
from qwen_pl.seals import Seal, read_sealed, write_sealed

if TYPE_CHECKING:
    from jinja2 import Template

MOST_DETAILED = 200
"""Files shown with all that is known of them."""

_PAGES_LISTED = 20
_NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")


def write_report(
    entry: CorpusEntry, reports: Sequence[FileReport], *, facts: Mapping[str, str] | None = None
) -> None:
    """Writes ``report.html``, and ``report.json`` in the order of ``reports``; facts by name."""
    facts = dict(facts or {})
    write_text(entry.report_html, _html(by_trouble(reports), facts))
    summary = {"html": Seal.of(entry.report_html), "facts": facts, "totals": totals(reports)}
    head = json.dumps(summary, ensure_ascii=False, indent=1)
    # Without the excerpts, which report.html has: those of 10,000 files would be 50 MB.
    files = [
        json.dumps(report.to_json() | {"excerpts": []}, ensure_ascii=False) for report in reports
    ]
    content = head.removesuffix("\n}") + ',\n "files": [\n' + ",\n".join(files) + "\n ]\n}\n"
    # One line for every file.
    write_sealed(entry.report_json, storable(content), f"report {entry.name}")


def read_report(entry: CorpusEntry) -> list[FileReport]:
    """The reports on the files of a corpus; raises ``Damaged`` if either file of it is."""
    report = read_sealed(entry.report_json, f"report {entry.name}")
    Seal(*report["html"]).check(entry.report_html)
    return list(map(FileReport.from_json, report["files"]))


def _html(reports: Sequence[FileReport], facts: Mapping[str, str]) -> str:
    """The page for ``reports`` in their order, of which only the first are shown in detail.

    Of many files, those that gave no text, or none of their own, have only a row each, since
    all that is known of them is the reason.
    """
    detailed = list(reports)
    rows: dict[str, list[FileReport]] = {}
    if len(reports) > MOST_DETAILED:
        duplicates = [r for r in reports if r.status == "duplicate"]
        without_text = [r for r in reports if not r.characters and r.status != "duplicate"]
        detailed = [r for r in reports if r.characters and r.status != "duplicate"]
        others = detailed[MOST_DETAILED:]
        rows = {"duplicates": duplicates, "without_text": without_text, "others": others}
    return template("report.html.j2").render(
        title=f"What reading {_counted(len(reports), 'file')} came to",
        facts=facts,
        totals=totals(reports),
        sections=[(name, list(own)) for name, own in groupby(detailed[:MOST_DETAILED], _section)],
        **rows,
    )


def _section(report: FileReport) -> str:
    if report.status == "duplicate":
        return "The same as others"
    if report.trouble():
        return "With trouble, the worst first"
    return "Without known trouble, the most changed first"


@cache
def template(name: str) -> "Template":
    """A page of this room, in which whatever stands in a file is shown and never markup."""
    # Imported here, since most runs find the report of their corpus written.
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("page")),
        autoescape=True,  # whatever stands in a file, its name included, never becomes markup
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "colour": _colour,
        "counted": _counted,
        "folder": _folder,
        "grouped": "{:,.0f}".format,
        "listed": _listed,
        "name": lambda path: PurePath(path).name,
    }
    environment.globals |= {
        "heads_shown": 12,
        "most_rows": 10_000,  # of a table of files
        "rows_unfolded": 30,
        "suspicious": MAYBE_GLUED,  # and as good for what cannot be read or was removed
    }
    return environment.get_template(name)


def _shown(value: Any) -> Any:
    """What no page may hold is shown as a question mark in a diamond."""
    if type(value) is not str:  # a number, or markup that is made of values shown
        return value
    return _NOT_SHOWN.sub("\ufffd", value.encode("utf-8", "replace").decode())


def _colour(status: str, why: str = "") -> str:
    if status == "ok":
        return "odd" if why else "ok"
    return {"all": "", "duplicate": "faint", "partial": "odd"}.get(status, "bad")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _folder(path: str) -> str:
    folder = str(PurePath(path).parent)
    return "" if folder == "." else folder


def _listed(pages: Sequence[int]) -> str:
    if not pages:
        return "0"
    named = ", ".join(map(str, pages[:_PAGES_LISTED]))
    more = len(pages) - _PAGES_LISTED
    return f"{len(pages):,}: {named}" + (f" and {more:,} more" if more > 0 else "")
