"""Reads HTML files, and EPUBs, which are archives of them, chapter by chapter."""

import codecs
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from qwen_pl.data.cleaning.clean_text import Cleaning, CleanText
from qwen_pl.data.texts.html_groups import html_groups
from qwen_pl.data.texts.line_groups import clean_groups
from qwen_pl.data.texts.markup import Tag, markup
from qwen_pl.data.texts.unreadable import Unreadable

_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_XML = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w-]+)")
_DECLARED = 4096  # bytes at the beginning that an encoding is declared in
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# What browsers take for what is declared, where Python takes it for less.
_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-8",  # a declaration that could be read as ASCII is not in it
}
_LARGEST_PART = 64 << 20  # bytes of one chapter, unpacked
_LARGEST_LIST = 8 << 20  # bytes of what lists the chapters
_LOCKS = ("META-INF/rights.xml", "META-INF/license.lcpl", "META-INF/sinf.xml")
_FONTS_ONLY = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_CHAPTERS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read_html(path: Path, cleaning: Cleaning) -> Iterator[CleanText]:
    """One piece."""
    text, damaged = _decoded(path.read_bytes())
    clean = clean_groups(html_groups(text), cleaning)
    if damaged:
        clean.status, clean.reason = "partial", f"{damaged:,} characters are damaged"
    yield clean


def read_epub(path: Path, cleaning: Cleaning, most_bytes: int) -> Iterator[CleanText]:
    """A piece for each chapter, in the order of reading.

    Args:
        most_bytes: Of all chapters, unpacked.

    Raises:
        Unreadable: If it is no EPUB, or is locked.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise Unreadable(f"is no EPUB ({error})") from None
    lost: list[str] = []
    with archive:
        names = set(archive.namelist())
        _check_locks(archive, names)
        chapters = _chapters(archive, names)
        for number, name in enumerate(chapters, start=1):
            try:
                content = _content(archive, name, min(_LARGEST_PART, most_bytes))
            except Unreadable as error:
                lost.append(str(error))
                continue
            most_bytes -= len(content)
            text, damaged = _decoded(content)
            if damaged:
                lost.append(f"{damaged:,} characters of {name} are damaged")
            yield clean_groups(html_groups(text, page=number, is_book=True), cleaning)
    if lost:
        more = f" ({len(lost):,} of {len(chapters):,} chapters in all)" if len(lost) > 1 else ""
        yield CleanText(status="partial", reason=lost[0] + more)


def _decoded(content: bytes) -> tuple[str, int]:
    """The text of a file as browsers would decode it, and how many characters are damaged."""
    begin = content[:_DECLARED]
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    declared = _XML.search(begin) or _META.search(begin)
    try:
        name = _MARKS.get(mark) or codecs.lookup(declared[1].decode() if declared else "utf-8").name
    except LookupError:
        name = "utf-8"
    text = content[len(mark) :].decode(_WIDER.get(name, name), "replace")
    damaged = text.count("\ufffd") - content.count("\ufffd".encode())
    if damaged > 0 and not mark and not declared:
        text, damaged = content.decode("cp1252", "replace"), 0
    return text.replace("\r\n", "\n").replace("\r", "\n"), max(damaged, 0)


def _content(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A file of the archive; no more of it is unpacked than it may have."""
    if name not in archive.NameToInfo:
        raise Unreadable(f"{name} is not there")
    try:
        with archive.open(name) as file:
            content = file.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise Unreadable(f"{name} cannot be unpacked: {error}") from None
    except (NotImplementedError, RuntimeError) as error:  # another packing; a password
        raise Unreadable(f"{name} cannot be unpacked: {error}") from None
    if len(content) > most:
        raise Unreadable(f"{name} is larger than it may be, unpacked")
    return content


def _check_locks(archive: zipfile.ZipFile, names: set[str]) -> None:
    lock = next((name for name in _LOCKS if name in names), "")
    if "META-INF/encryption.xml" in names:
        content = _content(archive, "META-INF/encryption.xml", _LARGEST_LIST)
        for tag in _tags(content):
            if tag.name == "encryptionmethod":
                way = tag.attributes().get("algorithm", "")
                lock = lock if way in _FONTS_ONLY else "META-INF/encryption.xml"
    elif any(info.flag_bits & 1 for info in archive.infolist()):
        lock = "a password"
    if lock:
        raise Unreadable(f"is locked by {lock}, as books with DRM are: get it without")


def _chapters(archive: zipfile.ZipFile, names: set[str]) -> list[str]:
    """The names of the chapters in the order of reading; those that are not there, too."""
    package = next(iter(_values(archive, "META-INF/container.xml", "rootfile", "full-path")), "")
    package = package if package in names else ""
    package = package or next((name for name in sorted(names) if name.endswith(".opf")), "")
    if not package:
        raise Unreadable("is no EPUB (no package file in it)")
    folder = posixpath.dirname(package)
    files: dict[str, str] = {}
    spine: dict[str, None] = {}  # a set in order: a chapter comes once
    for tag in _tags(_content(archive, package, _LARGEST_LIST)):
        values = tag.attributes() if tag.name in ("item", "itemref") else {}
        if tag.name == "item":
            is_text = values.get("media-type", "") in _CHAPTERS
            if is_text and "nav" not in values.get("properties", "").split():
                href = unquote(values.get("href", "").partition("#")[0])
                files[values.get("id", "")] = posixpath.normpath(posixpath.join(folder, href))
        elif tag.name == "itemref" and values.get("idref") in files:
            spine[files[values["idref"]]] = None
    if not spine:
        raise Unreadable("is no EPUB (its package file names no chapters)")
    return list(spine)


def _values(archive: zipfile.ZipFile, name: str, tag: str, attribute: str) -> Iterator[str]:
    if name in archive.NameToInfo:
        for each in _tags(_content(archive, name, _LARGEST_LIST)):
            if each.name == tag and attribute in (values := each.attributes()):
                yield values[attribute]


def _tags(content: bytes) -> Iterator[Tag]:
    text, _ = _decoded(content)
    return (each for each in markup(text, is_xml=True) if isinstance(each, Tag) and not each.ends)
