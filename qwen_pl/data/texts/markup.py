"""Tags and text of HTML and XML, however badly it is written, in a time that grows with its length.

The standard library's parsers change what they make of bad markup with each version of Python, and
take a time that grows with its square; entities are those of HTML, so that none can unfold.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_STOP = re.compile(r"[>\"']")
_ATTRIBUTE = re.compile(
    r"(?<![^\s\"'/])([^\s=\"'/>]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))"
)
_RAW = frozenset({"script", "style", "title", "textarea", "xmp", "noembed", "noframes", "iframe"})
_LONGEST_TAG = 1 << 16  # characters whose attributes are looked at


class Tag(NamedTuple):
    """The beginning or the end of an element."""

    name: str
    """In small letters, without the prefix of a namespace."""
    ends: bool
    is_empty: bool
    """Whether it ends itself, as ``<br/>``."""
    source: str

    def attributes(self) -> dict[str, str]:
        """Those with a value, by names in small letters."""
        found = _ATTRIBUTE.findall(self.source[:_LONGEST_TAG])
        return {name.lower(): unescape("".join(values)) for name, *values in found}


def markup(text: str, *, is_xml: bool) -> Iterator[str | Tag]:
    """The tags and what stands between them, in order.

    >>> [getattr(each, "name", each) for each in markup("a<b>&lt;", is_xml=False)]
    ['a', 'b', '<']
    """
    place, quotes = 0, {'"', "'"}  # those that there is one more of
    while place < len(text):
        begin = text.find("<", place)
        if begin != place:
            yield unescape(text[place : begin if begin >= 0 else len(text)])
        if begin < 0:
            return
        if text.startswith("<!--", begin):
            place = _behind(text, "-->", begin + 4)
        elif text.startswith("<![CDATA[", begin):
            place = _behind(text, "]]>", begin)
            if is_xml:
                yield text[begin + 9 : place].removesuffix("]]>")
        elif text.startswith(("<!", "<?"), begin):
            place = _behind(text, ">", begin)
        elif name := _NAME.match(text, begin):
            place = _tag_end(text, name.end(), quotes)
            source = text[name.end() : place]
            own = name[2].lower().rpartition(":")[2]
            tag = Tag(own, bool(name[1]), is_xml and source.endswith("/>"), source)
            yield tag
            if own in _RAW and not (is_xml or tag.ends):
                end = re.compile(f"</{own}(?=[\\s/>])", re.IGNORECASE).search(text, place)
                yield text[place : end.start() if end else len(text)]
                place = end.start() if end else len(text)
        else:
            yield "<"
            place = begin + 1


def _behind(text: str, mark: str, place: int) -> int:
    found = text.find(mark, place)
    return len(text) if found < 0 else found + len(mark)


def _tag_end(text: str, place: int, quotes: set[str]) -> int:
    """The place behind a tag: behind the first ``>`` that is not in a value in quotes."""
    while stop := _STOP.search(text, place):
        place = stop.end()
        if stop[0] == ">":
            return place
        if stop[0] in quotes and text[max(0, place - 9) : place - 1].rstrip().endswith("="):
            end = text.find(stop[0], place)
            if end < 0:
                quotes.discard(stop[0])
            else:
                place = end + 1
    return len(text)
