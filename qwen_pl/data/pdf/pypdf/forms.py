"""The values of a page's form fields, and what is written on it as an annotation.

Source: ISO 32000-2:2020, 12.5.5 (appearances), 12.5.6.6 (free text), 12.7.4 (fields).
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from pypdf.generic import DictionaryObject, StreamObject, TextStringObject

from qwen_pl.data.page.line import Line
from qwen_pl.data.pdf.entries import entry, number, numbers
from qwen_pl.data.pdf.open_file import FORM_FONT, Frame
from qwen_pl.data.pdf.pypdf.fonts import KnownFonts
from qwen_pl.data.pdf.pypdf.layers import Layers
from qwen_pl.data.pdf.pypdf.page import PageContent
from qwen_pl.data.pdf.pypdf.pieces import lines_of

_MOST = 5_000  # annotations of a page
_DEEPEST = 100  # fields in one another
_LONGEST = 100_000  # characters of a value
_HIDDEN = 2 | 32  # flags of an annotation that is not shown
_PASSWORD = 1 << 13  # flag of a field
_SIZE = 10.0  # points, where it is not known
_LEADING = 1.15  # sizes
_FOOT = 0.3  # sizes from the middle of a line to its baseline


def form_lines(page: Any, form: Any, frame: Frame, fonts: KnownFonts, layers: Layers) -> list[Line]:
    """The values of fields and the free text of a page, as they are shown there."""
    annotations = entry(page, "/Annots")
    is_stale = bool(entry(form, "/NeedAppearances"))
    lines: list[Line] = []
    for each in islice(annotations if isinstance(annotations, list) else (), _MOST):
        annotation = each.get_object() if hasattr(each, "get_object") else each
        text = _text(annotation)
        if not text or layers.is_hidden(entry(annotation, "/OC")):
            continue
        shown = [] if is_stale else _appearance(annotation, frame, fonts, layers)
        drawn = "".join("".join(line.text.split()) for line in shown)
        if drawn != "".join(text.split()):
            shown = list(_written(text, annotation, frame))
        lines += [line._replace(font=FORM_FONT) for line in shown]
    return lines


def _text(annotation: Any) -> str:
    """The value of a field or the text of an annotation; empty where none is shown."""
    if not isinstance(annotation, DictionaryObject):
        return ""
    if int(number(entry(annotation, "/F"), 0.0)) & _HIDDEN:
        return ""
    kind = entry(annotation, "/Subtype")
    value = entry(annotation, "/Contents") if kind == "/FreeText" else None
    is_secret = int(number(_field(annotation, "/Ff"), 0.0)) & _PASSWORD
    if kind == "/Widget" and _field(annotation, "/FT") in ("/Tx", "/Ch") and not is_secret:
        value = _field(annotation, "/V")
    if isinstance(value, list):  # several are chosen
        value = "\n".join(str(v) for v in value[:_MOST] if isinstance(v, TextStringObject))
    if isinstance(value, StreamObject):
        value = value.get_data().decode("utf-8", "replace")
    return value[:_LONGEST].strip() if isinstance(value, str) else ""


def _field(annotation: DictionaryObject, key: str) -> Any:
    """An entry of a field, or of the field that it is a part of."""
    field: Any = annotation
    for _ in range(_DEEPEST):
        value = entry(field, key)
        field = entry(field, "/Parent")
        if value is not None or field is None:
            return value
    return None


def _appearance(
    annotation: DictionaryObject, frame: Frame, fonts: KnownFonts, layers: Layers
) -> list[Line]:
    """The lines as they are drawn."""
    form = entry(entry(annotation, "/AP"), "/N")
    rectangle, box = numbers(entry(annotation, "/Rect"), 4), numbers(entry(form, "/BBox"), 4)
    if not isinstance(form, StreamObject) or not rectangle or not box:
        return []
    width, height = box[2] - box[0], box[3] - box[1]
    across = (rectangle[2] - rectangle[0]) / width if width else 1.0
    up = (rectangle[3] - rectangle[1]) / height if height else 1.0
    content = PageContent(frame, fonts, layers)
    move = (rectangle[0] - across * box[0], rectangle[1] - up * box[1])
    content.follow_form(form, (across, 0.0, 0.0, up, *move))
    return lines_of(content.runs)


def _written(text: str, annotation: DictionaryObject, frame: Frame) -> Iterator[Line]:
    """The lines of a text in the place that it has on the page."""
    box = frame.rectangle(*(numbers(entry(annotation, "/Rect"), 4) or (0.0, 0.0, 0.0, 0.0)))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    size = min(_SIZE, (box[3] - box[1]) / _LEADING) or _SIZE
    middle = (box[1] + box[3]) / 2 if len(lines) == 1 else box[3] - _LEADING * size / 2
    for index, line in enumerate(lines):
        y = round(middle - _FOOT * size - index * _LEADING * size, 2)
        if line:
            yield Line(line, box[0], y, round(size, 2), box[2])
