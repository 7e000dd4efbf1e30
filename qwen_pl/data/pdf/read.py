"""Reads a PDF into pages of placed lines, safe from files that hang, crash or eat all memory."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from qwen_pl.data.page.legibility import unreadable_shares
from qwen_pl.data.page.line import Page, Sheet
from qwen_pl.data.pdf.child import ChildStopped, Status
from qwen_pl.data.pdf.messages import Opened, PageRead, messages
from qwen_pl.data.pdf.ocr.scans import pages_to_read, with_true_quotes
from qwen_pl.data.pdf.readers import (
    OCR_INSTALL,
    check_ocr,
    check_reader,
    has_ocr,
    installed_version,
)
from qwen_pl.data.pdf.second_reader import (
    DISAGREEMENT,
    ENOUGH_BETTER,
    FIRST_DOUBTFUL,
    better_pages,
    difference,
    doubtful_pages,
    is_better_file,
    said,
    sampled_pages,
)
from qwen_pl.errors import InputError

MAX_LOST_PAGES = 3
"""Pages that may end the child process before the rest of the file is given up."""

_FIRST_SHARE = 0.25  # of the time, where two readers share it: pdfium needs a third of pypdf's
_MANY_BLANK = 0.1  # share of the pages: a book has a few that are blank
_MOST_LINES = 3_000_000  # of a file; each takes memory, however short it is

OnPage = Callable[[int, int], None]


@dataclass(frozen=True)
class PdfLimits:
    """What reading one PDF may cost before it is stopped."""

    page_seconds: float = 20
    """Seconds for one page; opening the file counts as a page. Pages that are lost may take no more
    than twice that together."""
    file_seconds: float = 600
    """Seconds for one file."""
    memory_mb: int = 2048
    """Megabytes of memory that the reading process may use."""
    file_mb: int = 512
    """Megabytes on disk above which a file is not opened."""
    text_mb: int = 256
    """Millions of characters that one file may give; a small file can unpack to any amount."""
    ocr_page_seconds: float = 60
    """Seconds for one page that is read as a picture, which takes some 4; its process has
    ``memory_mb`` for itself."""
    ocr_file_seconds: float = 3600
    """Seconds for all such pages of a file, on top of ``file_seconds``."""


@dataclass
class PdfText:
    """The text of one PDF and how reading it went."""

    path: Path
    sheets: list[Sheet] = field(default_factory=list)
    """One per page read, in order; a page that could not be read is empty."""
    status: Status = "ok"
    """What came of it:

    - ``ok``: every page was read.
    - ``partial``: some pages were not, or not all of them; the rest is here.
    - ``empty``: there are pages, but no text in them.
    - ``encrypted``: it does not open with the password given.
    - ``corrupt``: it does not open, or none of its pages can be read.
    - ``timeout``: it met a limit on time or size; the pages read before that are here.
    - ``crashed``: the reading process ended before any text came, mostly for want of memory.
    """
    reason: str = ""
    """One line on what went wrong, empty if nothing did."""
    num_pages: int = 0
    """Pages that the file says it has."""
    producer: str = ""
    """The program that wrote the file, as the file says."""
    seconds: float = 0.0
    """Time that reading took."""
    reader: str = ""
    """The program that read it, with its version."""
    lost_pages: list[int] = field(default_factory=list)
    """Pages that were lost or cut for reasons of their own, counted from 1."""
    compared: str = ""
    """What came of pages that two readers have read, if they differ."""
    ocr_pages: list[int] = field(default_factory=list)
    """Pages whose text was read in their picture, counted from 1."""

    @property
    def pages(self) -> list[Page]:
        """The lines of each page read."""
        return [sheet.lines for sheet in self.sheets]


def read_pdf(
    path: Path,
    *,
    password: str = "",
    limits: PdfLimits = PdfLimits(),
    reader: str = "pypdf",
    ocr: str = "never",
    on_page: OnPage | None = None,
    on_ocr: Callable[[int], None] | None = None,
) -> PdfText:
    """Reads the text of a PDF, page by page, without trusting it.

    The file is parsed in a child process that is ended when it exceeds ``limits``. A page that ends
    the child costs that page only: a new child goes on after it, up to ``MAX_LOST_PAGES`` times.
    Each of those has less time than the one before, so that a file of nothing but such pages ends.

    Args:
        password: Opens an encrypted file; many need none although they are encrypted.
        limits: What reading may cost; with ``auto``, what the two readers may together.
        reader: ``pypdf``; ``pdfium``, which is fast; or ``auto``: pdfium, and pypdf for pages that
            pdfium seems to read badly, and for a few others; of each the better reading.
        ocr: Which pages are read as pictures, afterwards: ``auto`` for those without legible text,
            if what that needs is installed; ``never``; or ``always``.
        on_page: Called after each page with the number of pages read and that of those to read; a
            second reader begins again, and so does the reading of pictures.
        on_ocr: Called before that with the number of such pages.

    Returns:
        Whatever could be read, with a status and a reason; a bad file is never an exception.

    Raises:
        InputError: If there is no file at ``path``, no such reader, or if it is not installed.
    """
    check_reader(reader)
    check_ocr(ocr)
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    pdf = _read_text(path, reader, password, limits, on_page)
    has_ended = pdf.status in ("ok", "partial", "empty")  # else it has cost enough
    wanted = pages_to_read(pdf.sheets, ocr) if has_ended else []
    if wanted and has_ocr():
        if on_ocr is not None:
            on_ocr(len(wanted))
        _read_pictures(pdf, wanted, password, limits, on_page)
    elif pdf.status == "empty" and wanted:
        pdf.reason += f": {OCR_INSTALL}"
    elif len(wanted) > _MANY_BLANK * pdf.num_pages:
        hint = f"{len(wanted):,} of {pdf.num_pages:,} pages need OCR: {OCR_INSTALL}"
        pdf.reason = f"{pdf.reason}; {hint}" if pdf.reason else hint
    return pdf


def _read_text(
    path: Path, reader: str, password: str, limits: PdfLimits, on_page: OnPage | None
) -> PdfText:
    """What the pages say themselves, by one reader or the better of two."""
    if reader != "auto":
        return _read(path, reader, password, limits, on_page)
    if not installed_version("pdfium"):
        pdf = _read(path, "pypdf", password, limits, on_page)
        if pdf.status not in ("ok", "encrypted"):
            hint = "pdfium could be tried too: pip install pypdfium2"
            pdf.reason = f"{pdf.reason}; {hint}" if pdf.reason else hint
        return pdf
    first = _read(path, "pdfium", password, _shared(limits, _FIRST_SHARE), on_page)
    if first.status == "encrypted":
        return first
    rest = _shared(limits, 1 - _FIRST_SHARE)
    rest = replace(rest, file_seconds=limits.file_seconds - first.seconds)
    is_all_there = first.num_pages == len(first.sheets) and (
        first.status in ("ok", "empty") or first.lost_pages
    )
    if is_all_there and _compare(first, password, rest, on_page):
        return first
    second = _read(path, "pypdf", password, rest, on_page)
    is_better = is_better_file(second.pages, first.pages, second.status == "ok")
    better = second if is_better else first
    better.seconds = first.seconds + second.seconds
    return better


def _compare(pdf: PdfText, password: str, limits: PdfLimits, on_page: OnPage | None) -> bool:
    """Puts pages as pypdf reads them in the place of those that pdfium reads worse.

    Doubtful pages are compared, and a few others; all of them where these differ much. Where one
    that seemed empty has text, all that do are.

    Returns:
        False if the readers do not find the same pages in the file.
    """
    shares = unreadable_shares(pdf.pages)
    doubtful = doubtful_pages(pdf.pages, shares, [number - 1 for number in pdf.lost_pages])
    sample = sampled_pages(pdf.num_pages, doubtful)
    second: dict[int, Sheet] = {}
    lost: set[int] = set()
    batch = doubtful[:FIRST_DOUBTFUL]
    wanted = {*batch, *sample}
    while wanted:
        read = _read(pdf.path, "pypdf", password, limits, on_page, sorted(wanted))
        if read.num_pages not in (0, pdf.num_pages):
            return False
        second |= dict(zip(sorted(wanted), read.sheets, strict=False))
        lost |= {number - 1 for number in read.lost_pages}
        pdf.seconds += read.seconds
        limits = replace(limits, file_seconds=limits.file_seconds - read.seconds)
        has_ended = read.sheets and read.status in ("ok", "empty", "partial")
        if not has_ended or limits.file_seconds <= 0:
            break
        seen = sample & second.keys() - lost
        if difference([pdf.pages[at] for at in seen], [second[at].lines for at in seen]) > (
            DISAGREEMENT
        ):
            wanted = {*range(pdf.num_pages)} - second.keys()
            continue
        found = {at: second[at].lines for at in batch if at in second and at not in lost}
        better = better_pages(pdf.pages, found, shares, doubtful)
        batch = [at for at in doubtful if at not in second][: 2 * len(batch)]
        wanted = {*batch} if len(better) >= ENOUGH_BETTER * len(found) else set()
        if any(page and not pdf.pages[at] for at, page in found.items()):
            wanted |= {at for at, page in enumerate(pdf.pages) if not page} - second.keys()
    compared = second.keys() - lost
    if not compared:
        return True
    by_pypdf = {index: second[index].lines for index in compared}
    share = difference([pdf.pages[at] for at in compared], by_pypdf.values())
    taken = better_pages(pdf.pages, by_pypdf, shares, doubtful)
    program = f"pypdf {installed_version('pypdf')}"
    for index in taken:
        pdf.sheets[index] = second[index]
    if taken or share:
        pdf.compared = said(compared, taken, share, "pypdf")
    if taken:
        pdf.reader += f" and {program}"
    has_text = pdf.status == "empty" and taken
    if has_text or (pdf.lost_pages and not {number - 1 for number in pdf.lost_pages} - {*taken}):
        pdf.status, pdf.reason, pdf.lost_pages = "ok", "", []
    return True


def _read_pictures(
    pdf: PdfText, wanted: list[int], password: str, limits: PdfLimits, on_page: OnPage | None
) -> None:
    """Puts what the pictures of some pages show in the place of these pages.

    A page that shows no text stays as it is.
    """
    limits = replace(
        limits, page_seconds=limits.ocr_page_seconds, file_seconds=limits.ocr_file_seconds
    )
    seen = _read(pdf.path, "ocr", password, limits, on_page, wanted)
    sheets = zip(wanted, with_true_quotes(seen.sheets), strict=False)
    read = {index: sheet for index, sheet in sheets if sheet.lines}
    for index, sheet in read.items():
        pdf.sheets[index] = sheet
    pdf.ocr_pages = [index + 1 for index in read]
    pdf.seconds += seen.seconds
    said = ["" if pdf.status == "empty" else pdf.reason]
    is_unread = seen.status not in ("ok", "empty")
    if read:
        pdf.reader += f" and {seen.reader}"
        pdf.status = "ok" if pdf.status == "empty" else pdf.status
        said.append(f"{len(read):,} of {pdf.num_pages:,} pages read by OCR")
    elif pdf.status == "empty":
        none_read = "" if is_unread else ", and OCR reads none in their pictures"
        said.append("no text on any page" + none_read)
    if is_unread:
        if pdf.status == "ok":
            pdf.status = "partial"
        elif pdf.status == "empty" and seen.status in ("timeout", "crashed"):
            pdf.status = seen.status
        said.append(f"OCR: {seen.reason}")
    pdf.reason = "; ".join(filter(None, said))


def _shared(limits: PdfLimits, share: float) -> PdfLimits:
    """What one of two readers may take."""
    page_seconds, file_seconds = share * limits.page_seconds, share * limits.file_seconds
    return replace(limits, page_seconds=page_seconds, file_seconds=file_seconds)


def _read(
    path: Path,
    reader: str,
    password: str,
    limits: PdfLimits,
    on_page: OnPage | None,
    wanted: list[int] | None = None,
) -> PdfText:
    """All pages, or those with the indices ``wanted``, which then are the result's pages."""
    started = time.monotonic()
    program = "rapidocr" if reader == "ocr" else reader
    result = PdfText(path, reader=f"{program} {installed_version(program)}")
    size_mb = path.stat().st_size / 2**20
    if size_mb > limits.file_mb:
        result.status = "timeout"
        result.reason = f"has {size_mb:.0f} MB; the limit file_mb is {limits.file_mb}"
    else:
        deadline = started + limits.file_seconds
        _PageCollector(result, reader, password, limits, deadline, on_page, wanted).collect()
    result.seconds = time.monotonic() - started
    return result


@dataclass
class _PageCollector:
    """Collects the pages of one file, from one or more child processes, in ``result``."""

    result: PdfText
    reader: str
    password: str
    limits: PdfLimits
    deadline: float
    on_page: OnPage | None
    wanted: list[int] | None
    """Indices of the pages that are read; None for all."""
    spare: float = 0.0
    """Seconds that pages may yet be lost in."""
    characters: int = 0
    num_lines: int = 0
    lost: list[tuple[int, ChildStopped]] = field(default_factory=list)
    """Pages of which text is lost, counted from 1, and why."""
    caveat: str = ""
    damage: str = ""

    def collect(self) -> None:
        """Reads to the end of the file or to what stops it for good, then judges the result."""
        self.spare = 2 * self.limits.page_seconds
        stopped = self._read_on()
        for _ in range(MAX_LOST_PAGES):
            is_over = self._too_much_text() or time.monotonic() >= self.deadline or self.spare < 0
            if stopped is None or is_over or not self._unread_pages():
                break  # or else one page may be to blame, rather than the file as a whole
            self._add_page(Sheet([]), lost=stopped)
            stopped = self._read_on() if self._unread_pages() else None
        self._judge(stopped)

    def _read_on(self) -> ChildStopped | None:
        """Takes pages from a new child, after those that are there; None at the file's end."""
        job = {
            "reader": self.reader,
            "path": str(self.result.path.resolve()),
            "password": self.password,
            "pages": self.wanted,
            "num_read": len(self.result.sheets),
            "memory_mb": self.limits.memory_mb,
        }
        heard = time.monotonic()
        try:
            with closing(messages(job, self.spare / 2, self.deadline)) as heard_of:
                for message in heard_of:
                    self._take(message, time.monotonic() - heard)
                    if isinstance(message, PageRead) or not self.result.sheets:
                        heard = time.monotonic()  # to open it again counts as to lose a page
        except ChildStopped as stopped:
            self.spare -= time.monotonic() - heard
            return stopped
        return None

    def _take(self, message: Opened | PageRead, seconds: float) -> None:
        if isinstance(message, PageRead):
            lost = ChildStopped("corrupt", message.error) if message.error else None
            self._add_page(message.sheet, lost)
            self.spare -= seconds if lost and not message.sheet.lines else 0.0
            if self.spare < 0:
                allowed = 2 * self.limits.page_seconds
                raise ChildStopped("timeout", f"lost pages took more than {allowed:g} s")
            if too_much := self._too_much_text():
                raise ChildStopped("timeout", f"gave more than {too_much}")
            return
        if self.result.sheets and message.num_pages != self.result.num_pages:
            raise ChildStopped("crashed", "has another number of pages when opened again")
        self.result.num_pages, self.result.producer, self.caveat, self.damage = message

    def _add_page(self, sheet: Sheet, lost: ChildStopped | None) -> None:
        self.result.sheets.append(sheet)
        self.characters += sum(len(line.text) for line in sheet.lines)
        self.num_lines += len(sheet.lines)
        done = len(self.result.sheets)
        if lost is not None:
            self.lost.append((self.wanted[done - 1] + 1 if self.wanted else done, lost))
        if self.on_page is not None:
            self.on_page(done, self._num_wanted())

    def _num_wanted(self) -> int:
        return self.result.num_pages if self.wanted is None else len(self.wanted)

    def _unread_pages(self) -> bool:
        return len(self.result.sheets) < self._num_wanted()

    def _too_much_text(self) -> str:
        """What a file may not give more of, once it has; empty before."""
        if self.characters > self.limits.text_mb * 1e6:
            return f"{self.limits.text_mb} MB of text"
        return f"{_MOST_LINES:,} lines" if self.num_lines > _MOST_LINES else ""

    def _judge(self, stopped: ChildStopped | None) -> None:
        """Sets status and reason from the pages lost and from what ended the reading early."""
        result = self.result
        causes = [why for _, why in self.lost] + ([stopped] if stopped else [])
        if self.damage:
            causes.insert(0, ChildStopped("corrupt", self.damage))
        has_text = any(result.pages)
        if not (self.damage or stopped):
            result.lost_pages = [number for number, _ in self.lost]
        if not causes:
            result.reason = self.caveat
            if not has_text:
                result.status = "empty"
                result.reason = "no text on any page: a scanned PDF needs OCR first"
            return
        if not has_text:
            result.status = causes[-1].status
        elif stopped is not None and stopped.status == "timeout":
            result.status = "timeout"
        else:
            result.status = "partial"
        reasons = [f"{self.damage}; {result.num_pages} pages found"] if self.damage else []
        reasons += [f"page {number}: {why.reason}" for number, why in self.lost[:1]]
        if len(self.lost) > 1:
            reasons.append(f"{len(self.lost)} pages lost or cut in all")
        if stopped is not None:
            place = f" after page {len(result.sheets)} of {self._num_wanted()}"
            reasons.append(stopped.reason + (place if result.num_pages else ""))
        result.reason = "; ".join(reasons)
