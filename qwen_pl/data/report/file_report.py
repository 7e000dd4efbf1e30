"""What reading each file of a corpus came to, and the table of it for the terminal."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate
from pathlib import Path
from typing import Any

from qwen_pl.data.cleaning.clean_text import CleanText
from qwen_pl.data.page.legibility import SURELY_GLUED
from qwen_pl.data.page.scripts import UNSPACED_CHINESE
from qwen_pl.data.pdf.read import PdfText
from qwen_pl.data.report.worst_pages import Excerpt, follow_pages, storable, worst_pages
from qwen_pl.terminal import shown

_EMPTY = 0.3  # share of the pages; a book has some blank ones
_HEADS_LISTED = 50
_RANGES_LISTED = 8  # of pages
_TROUBLED_LISTED = 10  # files below the table
_TABLE_WIDTH = 100  # columns
_WORST_LAST = ("partial", "empty", "encrypted", "corrupt", "timeout", "crashed")
# Chinese characters and kana stand without spaces; each counts as a word, as is the custom.
_WORD = re.compile(rf"[{UNSPACED_CHINESE}]|[^\s{UNSPACED_CHINESE}]+")


@dataclass
class FileReport:
    """What one file gave; all values are such that JSON has them too."""

    path: str
    sha256: str
    status: str
    """As ``PdfText`` has it, or ``duplicate``."""
    reason: str
    reader: str
    producer: str
    """The program that wrote the PDF, as the file says."""
    pages: int
    empty_pages: int
    """Pages that gave no text, be it that they have none or that they were not read."""
    characters: int
    """Characters of the cleaned text."""
    words: int
    """Words of the cleaned text; a Chinese character or kana counts as one."""
    running_heads: list[list[Any]]
    """``[text, count]`` of the heads removed, the most common first, not all of many."""
    running_heads_removed: int
    """All lines removed as running heads, feet and page numbers."""
    contents_lines_removed: int
    footnotes_moved: int
    words_dehyphenated: int
    garbage_pages: list[int]
    """Pages of which something was left out that nobody could read, counted from 1."""
    glued_ratio: float
    """Share of the letters in words of more than 24: a sign of lost spaces."""
    garbage_ratio: float
    """Share of the characters that nobody could read, which were left out."""
    seconds: float
    """Time that reading and cleaning took."""
    blocks: dict[str, int] = field(default_factory=dict)
    """Paragraphs of each role that were found, be they kept or not."""
    blocks_left_out: list[str] = field(default_factory=list)
    """Those of these roles that are not in the text."""
    lost_ratio: float = 0.0
    """Share of the letters read that are in no paragraph: heads, contents and what went wrong."""
    ocr_pages: int = 0
    """Pages whose text was read in their picture."""
    repeated_paragraphs: int = 0
    """Paragraphs dropped since an earlier file has them."""
    duplicate_of: str = ""
    """The earlier file with the same text."""
    compared: str = ""
    """What came of pages that two readers have read, if they differ."""
    excerpts: list[Excerpt] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "excerpts": [dict(vars(excerpt)) for excerpt in self.excerpts]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FileReport":
        """The report that ``to_json`` was asked for; names that it does not know are ignored."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        known["excerpts"] = [Excerpt(**excerpt) for excerpt in known.get("excerpts", [])]
        return cls(**known)

    @property
    def words_per_page(self) -> float:
        return self.words / max(self.pages, 1)

    def trouble(self) -> str:
        """One line on what is wrong with the file, empty if nothing is known to be."""
        if self.status == "duplicate":
            return self.reason or f"the same text as {self.duplicate_of}"
        troubles = [self.reason] if self.reason else []
        if self.status == "ok" and not self.characters:
            troubles.append("nothing is left of its text")
        if self.glued_ratio > SURELY_GLUED:
            troubles.append(f"spaces missing in {self.glued_ratio:.0%} of the text")
        if self.status == "ok" and self.empty_pages > _EMPTY * self.pages:
            troubles.append(f"{self.empty_pages:,} of {self.pages:,} pages have no text")
        return "; ".join(troubles)

    def severity(self) -> tuple[int, float]:
        """Sorts the most troubled file highest."""
        if self.status not in ("ok", "duplicate"):
            place = _WORST_LAST.index(self.status) if self.status in _WORST_LAST else 0
            return 3 + place, 0.0
        if self.status == "duplicate":
            return 1, 0.0
        empty_ratio = self.empty_pages / max(self.pages, 1)
        measure = self.glued_ratio + self.garbage_ratio + self.lost_ratio + empty_ratio
        return (2 if self.trouble() else 0), measure


def describe_file(path: Path, sha256: str, pdf: PdfText | None, clean: CleanText) -> FileReport:
    """Sums up what reading and cleaning one file gave, but for the seconds that they took.

    Args:
        path: By the name to show.
        sha256: Of its content, in hexadecimal digits.
        pdf: What the reader gave; None for a text or Markdown file.
    """
    if pdf is None:
        status, reason = clean.status, clean.reason
        if status == "ok" and not clean.paragraphs:
            status, reason = "empty", "no text in the file"
        reader, producer, num_empty = "text", "", 0 if clean.paragraphs else 1
        num_pages = max((paragraph.page for paragraph in clean.paragraphs), default=1)
    else:
        status, reason, reader, producer = pdf.status, pdf.reason, pdf.reader, pdf.producer
        num_pages = max(pdf.num_pages, len(pdf.pages))
        num_empty = num_pages - sum(map(bool, pdf.pages))
        if clean.garbage_pages and status == "ok":
            status = "partial" if clean.paragraphs else "empty"
        if clean.garbage_pages:
            listed = _listed(clean.garbage_pages)
            unreadable = f"characters that the fonts do not tell on {listed}"
            reason = "; ".join(filter(None, [reason, unreadable]))
    fates = list(follow_pages(pdf.pages, clean)) if pdf is not None else []
    letters = sum(fate.letters for fate in fates)
    heads = clean.running_heads.most_common(_HEADS_LISTED)
    return FileReport(
        path=storable(str(path)),
        sha256=sha256,
        status=status,
        reason=storable(reason),
        reader=reader,
        producer=storable(producer),
        pages=num_pages,
        empty_pages=num_empty,
        characters=sum(len(paragraph.text) for paragraph in clean.paragraphs),
        words=sum(len(_WORD.findall(paragraph.text)) for paragraph in clean.paragraphs),
        running_heads=[[storable(text), count] for text, count in heads],
        running_heads_removed=sum(clean.running_heads.values()),
        contents_lines_removed=clean.num_contents_lines,
        footnotes_moved=clean.num_footnotes,
        words_dehyphenated=clean.num_dehyphenated,
        garbage_pages=list(clean.garbage_pages),
        glued_ratio=round(clean.glued_ratio, 4),
        garbage_ratio=round(clean.garbage_ratio, 4),
        seconds=0.0,
        compared=pdf.compared if pdf is not None else "",
        lost_ratio=round(sum(fate.letters_lost for fate in fates) / max(letters, 1), 4),
        blocks_left_out=sorted(role.value for role in clean.left_out),
        blocks={role.value: count for role, count in clean.blocks.most_common()},
        ocr_pages=len(pdf.ocr_pages) if pdf is not None else 0,
        excerpts=worst_pages(fates, clean),
    )


def _listed(pages: Sequence[int]) -> str:
    """Numbers of pages, in order, in few words.

    >>> _listed([1, 2, 3, 7])
    'pages 1-3, 7'
    """
    ranges: list[list[int]] = []
    for page in pages:
        if not ranges or page > ranges[-1][-1] + 1:
            ranges.append([page])
        ranges[-1][1:] = [page] if page > ranges[-1][0] else []
    shown = ["-".join(map(str, ends)) for ends in ranges[:_RANGES_LISTED]]
    more = ", ..." if len(ranges) > _RANGES_LISTED else ""
    return f"page{'s' if len(pages) > 1 else ''} {', '.join(shown)}{more}"


def status_table(reports: Sequence[FileReport]) -> list[str]:
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
    lines += map(_line, troubled[:_TROUBLED_LISTED])
    if len(troubled) > _TROUBLED_LISTED:
        lines.append(f"... and {len(troubled) - _TROUBLED_LISTED:,} more: see report.html")
    return lines


def by_trouble(reports: Sequence[FileReport]) -> list[FileReport]:
    """The reports, the most troubled first and the order kept among equals."""
    return sorted(reports, key=FileReport.severity, reverse=True)


def totals(reports: Sequence[FileReport]) -> dict[str, dict[str, Any]]:
    """Sums by status, ``ok`` first and ``all`` last."""
    statuses = sorted({report.status for report in reports}, key=lambda s: (s != "ok", s))
    groups = {status: [r for r in reports if r.status == status] for status in statuses}
    names = ("pages", "empty_pages", "characters", "words")
    return {
        status: {
            "files": len(group),
            **{name: sum(getattr(report, name) for report in group) for name in names},
            "seconds": round(sum(report.seconds for report in group), 3),
        }
        for status, group in (groups | {"all": list(reports)}).items()
    }


def _line(report: FileReport) -> str:
    """What is wrong with a file, after as much of its path as there is room for."""
    status = "" if report.status == "ok" else f"{report.status}, "
    trouble = _cut(shown(f": {status}{report.trouble()}"), _TABLE_WIDTH - 25)
    room = _TABLE_WIDTH - sum(map(_columns, trouble))
    return _cut(shown(report.path)[::-1], room)[::-1] + trouble


def _cut(text: str, width: int) -> str:
    """As much of a line as ``width`` columns hold."""
    ends = [*accumulate(map(_columns, text))]
    if not ends or ends[-1] <= width:
        return text
    return text[: bisect_right(ends, width - 1)] + "…"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
