"""Writes the report on a corpus as one page of HTML that needs nothing else to be shown."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qwen_pl.data.report.file_report import FileReport
    from qwen_pl.data.report.worst_pages import Excerpt

MOST_DETAILED = 200
"""Files shown with all that is known of them."""

MOST_ROWS = 10_000
"""Rows of a table of files."""

_SUSPICIOUS = 0.02
_PAGES_LISTED = 20
_ROWS_UNFOLDED = 30
_HEADS_SHOWN = 12
_NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")

_STYLE = """
:root { --paper: #fff; --ink: #1d2025; --faint: #5c6470; --line: #d9dde3; --card: #f6f7f9;
  --bad: #b3261e; --odd: #8a5300; --fine: #1e6b3a; --gone: #fbdcd9; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e4e6ea; --faint: #9aa3af; --line: #353a42; --card: #1e2126;
    --bad: #ff8f85; --odd: #f0b24d; --fine: #74cf96; --gone: #57231f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; }
h3 { font-size: .95rem; margin: 1.25rem 0 .4rem; }
p { margin: .4rem 0; }
.faint, dt, th, figcaption { color: var(--faint); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; white-space: nowrap; }
th { font-weight: 500; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; min-width: 12rem; overflow-wrap: anywhere; }
tr.all td { font-weight: 600; border-bottom: 0; }
.ok { color: var(--fine); } .bad { color: var(--bad); } .odd { color: var(--odd); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr));
  gap: .6rem 1.25rem; margin: .75rem 0; }
dt { font-size: .8rem; } dd { margin: 0; }
dl.facts { grid-template-columns: fit-content(40%) 1fr; gap: .2rem 1.25rem; }
dl.facts dt { font-size: 1rem; }
details.file { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0;
  background: var(--card); }
details.file > summary { cursor: pointer; padding: .6rem .9rem; list-style-position: outside;
  margin-left: 1.5rem; }
details.file > summary b { display: inline-block; margin-right: .5rem; }
details.file > div { padding: 0 .9rem .9rem; border-top: 1px solid var(--line); }
.status { font-size: .8rem; font-weight: 600; border: 1px solid; border-radius: 1rem;
  padding: .05rem .55rem; margin-right: .5rem; white-space: nowrap; }
.why, .sums { display: block; font-size: .9rem; }
ul.heads { columns: 18rem; column-gap: 2rem; padding-left: 1.2rem; margin: .3rem 0;
  font-size: .9rem; }
ul.heads li { break-inside: avoid; }
figure { margin: 1rem 0; }
figcaption { font-size: .9rem; margin-bottom: .35rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; }
.pair > div { background: var(--paper); border: 1px solid var(--line); border-radius: .35rem;
  padding: .6rem .8rem; max-height: 26rem; overflow: auto; font-size: .85rem; line-height: 1.45; }
.pair h4 { margin: 0 0 .3rem; font-size: .75rem; font-weight: 500; color: var(--faint); }
.before p { margin: 0; min-height: 1.45em; }
.after p { margin: 0 0 .6rem; }
del { background: var(--gone); text-decoration-thickness: 1px; }
.wide td:last-child, .wide th:last-child { padding-right: 0; }
@media (max-width: 40rem) { th { white-space: normal; vertical-align: bottom; }
  th, td { padding-right: .55rem; font-size: .8rem; }
  .folder { display: block; font-size: .9rem; } .pair { grid-template-columns: 1fr; }
  body { padding: 1rem .6rem 3rem; } .pair > div { max-height: 18rem; }
  dl { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); } }
"""

_KEY = """
<details><summary>What the words mean</summary>
<dl class="facts">
<dt>partial</dt><dd>Some pages could not be read; the others are in the corpus.</dd>
<dt>empty</dt><dd>There are pages, but no text in them: scanned pages need OCR first.</dd>
<dt>timeout</dt><dd>A limit on time or size was met; what came before it is in the corpus.</dd>
<dt>crashed</dt><dd>The reading process ended before any text came.</dd>
<dt>duplicate</dt><dd>An earlier file has the same text, which is taken once.</dd>
<dt>glued</dt><dd>Share of the letters that stand in words of more than 24 letters. Above 2%,
spaces between words were probably lost.</dd>
<dt>unreadable</dt><dd>Share of the characters of which the fonts do not tell what they are.</dd>
<dt>removed</dt><dd>Share of the letters read that are not in the clean text: running heads,
page numbers and tables of contents, some percent of most books.</dd>
</dl></details>
"""


def html_page(
    reports: Sequence["FileReport"],
    totals: Mapping[str, Mapping[str, Any]],
    facts: Mapping[str, str],
) -> str:
    """The page for ``reports`` in their order, of which only the first are shown in detail.

    Of many files, those that gave no text, or none of their own, have only a row each, since
    all that is known of them is the reason.
    Whatever stands in a file, its name included, is shown as text and never becomes markup.
    """
    detailed, others = list(reports), []
    duplicates: list[FileReport] = []
    without_text: list[FileReport] = []
    if len(reports) > MOST_DETAILED:
        duplicates = [r for r in reports if r.status == "duplicate"]
        without_text = [r for r in reports if not r.characters and r.status != "duplicate"]
        detailed = [r for r in reports if r.characters and r.status != "duplicate"]
        detailed, others = detailed[:MOST_DETAILED], detailed[MOST_DETAILED:]
    title = f"What reading {_counted(len(reports), 'file')} came to"
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        # Nothing is to be fetched or run, whatever a file may have smuggled in.
        '<meta http-equiv="Content-Security-Policy"',
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        _facts(facts) if facts else "",
        _totals(totals),
        _KEY,
    ]
    if without_text:
        parts += ["<h2>Without any text</h2>", _rows(without_text)]
    for section, group in groupby(detailed, _section):
        parts += [f"<h2>{section}</h2>", *map(_file, group)]
    if others:
        parts += ["<h2>The others</h2>", _rows(others)]
    if duplicates:
        parts += ["<h2>The same as others</h2>", _rows(duplicates)]
    return "\n".join([*parts, "</body></html>\n"])


def _section(report: "FileReport") -> str:
    if report.status == "duplicate":
        return "The same as others"
    if report.trouble():
        return "With trouble, the worst first"
    return "Without known trouble, the most changed first"


def _facts(facts: Mapping[str, str]) -> str:
    rows = (f'<dt>{_text(name)}</dt><dd dir="auto">{_text(facts[name])}</dd>' for name in facts)
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _totals(totals: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for status, total in totals.items():
        if status == "all" and len(totals) == 2:
            continue
        counts = [total[name] for name in ("files", "pages", "empty_pages", "characters")]
        cells = [f"{count:,}" for count in counts]
        cells += [f"{total['words'] / max(total['pages'], 1):,.0f}", f"{total['seconds']:,.1f}"]
        name = f'<span class="{_colour(status)}">{_text(status)}</span>'
        row = "".join(f"<td>{cell}</td>" for cell in [name, *cells])
        lines.append(f'<tr class="all">{row}</tr>' if status == "all" else f"<tr>{row}</tr>")
    head = ["status", "files", "pages", "without text", "characters", "words a page", "seconds"]
    return _table(head, lines)


def _rows(reports: Sequence["FileReport"]) -> str:
    """A table, which is to be unfolded where it is long."""
    lines = []
    for report in reports[:MOST_ROWS]:
        why = report.trouble()
        name = f"<bdi>{_text(report.path)}</bdi>" + (f" <br>{_text(why)}" if why else "")
        cells = [
            f"{report.pages:,}",
            f"{report.characters:,}",
            f"{report.words_per_page:,.0f}",
            _share(report.glued_ratio),
            _share(report.garbage_ratio),
            _share(report.lost_ratio),
        ]
        row = f'<td class="{_colour(report.status, why)}">{_text(report.status)}</td>'
        row += f'<td class="text">{name}</td>' + "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f"<tr>{row}</tr>")
    head = ["status", "file", "pages", "characters", "words a page"]
    table = _table([*head, "glued", "unreadable", "removed"], lines)
    if (more := len(reports) - len(lines)) > 0:
        table += f"<p>{_counted(more, 'file')} more in report.json.</p>"
    if len(lines) <= _ROWS_UNFOLDED:
        return table
    return f"<details><summary>{_counted(len(reports), 'file')}</summary>{table}</details>"


def _table(head: Iterable[str], rows: Iterable[str]) -> str:
    cells = "".join(
        f'<th{" class=text" if name == "file" else ""} scope="col">{name}</th>' for name in head
    )
    body = "\n".join(rows)
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead>\n{body}</table></div>'


def _file(report: "FileReport") -> str:
    path = PurePath(report.path)
    folder = "" if str(path.parent) == "." else str(path.parent)
    why = report.trouble()
    sums = [_counted(report.pages, "page")]
    if report.characters:
        sums.append(_counted(report.characters, "character"))
        sums.append(f"{report.words_per_page:,.0f} words a page")
    sums += [
        f'<span class="odd">{share} {name}</span>'
        for name, ratio in (("glued", report.glued_ratio), ("unreadable", report.garbage_ratio))
        if ratio > _SUSPICIOUS and (share := f"{ratio:.0%}")
    ]
    return "\n".join(
        [
            '<details class="file"><summary>'
            f'<span class="status {_colour(report.status, why)}">{_text(report.status)}</span>'
            f"<b><bdi>{_text(path.name)}</bdi></b>"
            f'<bdi class="folder faint">{_text(folder)}</bdi>'
            + (f'<span class="why" dir="auto">{_text(why)}</span>' if why else "")
            + f'<span class="sums faint">{" · ".join(sums)}</span></summary><div>',
            _measures(report),
            _heads(report) if report.running_heads else "",
            *map(_excerpt, report.excerpts),
            "</div></details>",
        ]
    )


def _measures(report: "FileReport") -> str:
    measures = {"pages": f"{report.pages:,}", "pages without text": f"{report.empty_pages:,}"}
    if report.characters or report.garbage_pages:
        measures |= {
            "characters": f"{report.characters:,}",
            "words a page": f"{report.words_per_page:,.0f}",
            "glued": _share(report.glued_ratio),
            "unreadable": _share(report.garbage_ratio),
            "removed": _share(report.lost_ratio, suspicious=1),
            "running heads removed": f"{report.running_heads_removed:,}",
            "lines of contents removed": f"{report.contents_lines_removed:,}",
            "footnotes moved": f"{report.footnotes_moved:,}",
            "words de-hyphenated": f"{report.words_dehyphenated:,}",
            "pages dropped as unreadable": _numbers(report.garbage_pages),
            "paragraphs dropped as repeated": f"{report.repeated_paragraphs:,}",
        }
    measures |= {
        "reader": _text(report.reader),
        "written by": f"<bdi>{_text(report.producer) or '–'}</bdi>",
        "seconds": f"{report.seconds:,.1f}",
        "SHA-256": f'<span title="{_text(report.sha256)}">{_text(report.sha256[:12])}</span>',
    }
    rows = (f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in measures.items())
    return f"<dl>{''.join(rows)}</dl>"


def _numbers(pages: Sequence[int]) -> str:
    if not pages:
        return "0"
    named = ", ".join(map(str, pages[:_PAGES_LISTED]))
    more = len(pages) - _PAGES_LISTED
    return f"{len(pages):,}: {named}" + (f" and {more:,} more" if more > 0 else "")


def _heads(report: "FileReport") -> str:
    items = [
        f"<li><bdi>{_text(head)}</bdi>&nbsp;×&nbsp;{int(n):,}</li>"
        for head, n in report.running_heads
    ]
    first, others = "".join(items[:_HEADS_SHOWN]), "".join(items[_HEADS_SHOWN:])
    parts = [
        "<h3>Running heads and feet removed (# stands for a number)</h3>",
        f'<ul class="heads">{first}</ul>',
    ]
    if others:
        rarer = f'<ul class="heads">{others}</ul>'
        parts.append(f"<details><summary>less frequent ones</summary>{rarer}</details>")
    more = report.running_heads_removed - sum(int(count) for _, count in report.running_heads)
    if more > 0:
        parts.append(f'<p class="faint">and {_counted(more, "line")} more</p>')
    return "\n".join(parts)


def _excerpt(excerpt: "Excerpt") -> str:
    caption = f"<figcaption>Page {excerpt.page:,}: {_text(excerpt.trouble)}</figcaption>"
    if not excerpt.before and not excerpt.after:
        return f"<figure>{caption}</figure>"
    removed = set(excerpt.removed)
    before = "".join(
        f'<p dir="auto">{f"<del>{_text(line)}</del>" if i in removed else _text(line)}</p>'
        for i, line in enumerate(excerpt.before.split("\n"))
    )
    paragraphs = excerpt.after.split("\n\n") if excerpt.after else []
    after = "".join(f'<p dir="auto">{_text(paragraph)}</p>' for paragraph in paragraphs)
    return (
        f'<figure>{caption}<div class="pair">'
        f'<div class="before"><h4>as read</h4>{before}</div>'
        f'<div class="after"><h4>cleaned</h4>{after or "<p class=faint>nothing</p>"}</div>'
        "</div></figure>"
    )


def _colour(status: str, why: str = "") -> str:
    if status == "ok":
        return "odd" if why else "ok"
    return {"all": "", "duplicate": "faint", "partial": "odd"}.get(status, "bad")


def _share(ratio: float, suspicious: float = _SUSPICIOUS) -> str:
    share = f"{ratio:.1%}" if ratio else "0"
    return f'<span class="odd">{share}</span>' if ratio > suspicious else share


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _text(text: object) -> str:
    """Text as HTML shows it; what no page may hold is shown as a question mark in a diamond."""
    text = str(text).encode("utf-8", "replace").decode()
    return html.escape(_NOT_SHOWN.sub("\ufffd", text))
