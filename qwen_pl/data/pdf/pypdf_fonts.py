"""Keeps pypdf from reading the same fonts again for every page, which takes a tenth of its time."""

from collections import OrderedDict
from typing import Any, ClassVar

import pypdf._page
from pypdf.generic._font import Font

_MOST_FONTS = 64


class KnownFonts:
    """Takes the place of pypdf's ``Font`` where pages make fonts from their resources."""

    _known: ClassVar[OrderedDict[int, tuple[Any, Font]]] = (
        OrderedDict()
    )  # by the identity of the resource

    @classmethod
    def from_font_resource(cls, resource: Any) -> Font:
        """The font of a resource, the same one when asked again."""
        key = id(resource)
        if key in cls._known:
            cls._known.move_to_end(key)
            return cls._known[key][1]
        font = Font.from_font_resource(resource)
        cls._known[key] = resource, font  # the resource is kept, so that its identity is not reused
        if len(cls._known) > _MOST_FONTS:
            cls._known.popitem(last=False)
        return font


def remember_fonts() -> None:
    """Makes pypdf use :class:`KnownFonts` from now on, in this process."""
    if getattr(pypdf._page, "Font", None) is Font:
        pypdf._page.Font = KnownFonts
