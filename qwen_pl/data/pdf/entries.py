"""Takes values out of the dictionaries of a PDF, whatever a file has put there."""

import math
from typing import Any

from pypdf.generic import ArrayObject, DictionaryObject, PdfObject


def entry(dictionary: Any, key: str) -> Any:
    """An entry of a dictionary, followed to what it refers to; None if it is not there."""
    if not isinstance(dictionary, dict):
        return None
    try:
        value = dictionary.get(key)
        return value.get_object() if isinstance(value, PdfObject) else value
    except MemoryError:
        raise
    except Exception:
        return None


def number(value: Any, otherwise: float) -> float:
    """A number as a float, and another value as one given."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    return float(value) if math.isfinite(value) else otherwise


def numbers(values: Any, length: int) -> tuple[float, ...] | None:
    """So many numbers of an array; None if it is none."""
    if not isinstance(values, list | tuple) or len(values) < length:
        return None
    found = [v.get_object() if hasattr(v, "get_object") else v for v in values[:length]]
    return tuple(number(value, 0.0) for value in found)


def descendant_of(font: DictionaryObject) -> DictionaryObject:
    """The font that a composite one is made of; empty if it is none."""
    fonts = entry(font, "/DescendantFonts")
    first = fonts[0].get_object() if isinstance(fonts, ArrayObject) and fonts else None
    return first if isinstance(first, DictionaryObject) else DictionaryObject()
