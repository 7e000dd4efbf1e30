"""What is mended in pypdf: word spaces that it loses, and fonts that it reads for every page again.

pypdf starts a new word where the gap between two glyphs is at least half as wide as the font's
space. Five kinds of text defeat that, and are put right by a subclass of its text extractor:

- TeX fonts have no space glyph, and the width found in its place is that of an unrelated glyph,
  often twice a real space: tight lines lose every space ("MydearMr.Bennet,").
- Word spacing (``Tw``) and horizontal scaling (``Tz``) are left out of the width of shown text, so
  that the next word seems to start too late or too early ("ha v e").
- Ghostscript shows the glyphs around a word space, two or a few more, as one string with a large
  character spacing (``Tc``), in which no gap is looked for.
- It also shows spaces that a negative word spacing makes too narrow to be seen ("ev en").
- Arabic and Hebrew are put in order by adding each glyph in front; the spaces go to the end.

Source: ISO 32000-2:2020, 9.4.4, for the width of shown text; https://github.com/py-pdf/pypdf/issues/3978.
"""

from typing import Any, ClassVar

import pypdf._page
import pypdf._utils
from pypdf._text_extraction._text_extractor import TextExtraction
from pypdf.generic._font import Font

_WIDEST_HALF_SPACE = 130.0  # thousandths of the font size; no wider gap is inside a word
_EMPTY_SPACE = 0.08  # of the font size
_MOST_FONTS = 64

_page: Any = pypdf._page  # what is put in place here has other types than pypdf's own
_utils: Any = pypdf._utils
_INTERNALS = ("_handle_tf", "_handle_tj", "_post_process_text_operation", "process_tj_offset")


class SpacedTextExtraction(TextExtraction):
    """pypdf's extractor with the widths of gaps and of shown text put right."""

    def _handle_tf(self, operands: list[Any]) -> None:
        super()._handle_tf(operands)
        self._space_width = min(self._space_width, _WIDEST_HALF_SPACE)

    def _handle_tj(
        self, text: str, operands: list[Any], *state: Any
    ) -> tuple[str, bool, dict[str, float]]:
        shown = self._without_empty_spaces(operands[0])
        if not self._hides_word_gaps(shown, (self.output + text)[-1:]):
            return self._show(text, shown, *state)
        text, rtl_dir, size = self._show(text, shown[:1], *state)
        for index in range(1, len(shown)):
            state = (*state[:6], rtl_dir, *state[7:])
            text += "" if text.endswith(" ") else " "
            text, rtl_dir, size = self._show(text, shown[index : index + 1], *state)
        return text, rtl_dir, size

    def process_tj_offset(self, offset: float, space_width: float) -> None:
        if self.rtl_dir and self.text:
            if -offset >= space_width:
                self._put_space_in_front()
            self._actual_str_size["str_widths"] -= offset * self.font_size * self.char_scale
            return
        super().process_tj_offset(offset, space_width)
        # The call above has counted the offset as if Tz were 100%.
        self._actual_str_size["str_widths"] += offset * self.font_size * (1 - self.char_scale)

    def _post_process_text_operation(self, str_widths: float) -> None:
        if self._has_not_moved(str_widths):
            return  # pypdf would come to the same end, but slowly
        before = self.text
        super()._post_process_text_operation(str_widths)
        if self.rtl_dir and before and self.text == before + " ":
            self.text = before
            self._put_space_in_front()

    def _has_not_moved(self, str_widths: float) -> bool:
        """Whether text is shown where other text of the same operator has ended."""
        return (
            self.tm_matrix == self.tm_prev
            and self.cm_matrix == self.cm_prev
            and not str_widths
            and self.text != ""
            and self._line_span is not None
            and self.font_size * self._space_width > 0
        )

    def _put_space_in_front(self) -> None:
        """Text from right to left is shown from the left, and grows at its front."""
        if not self.text.startswith(" "):
            self.text = " " + self.text

    def _show(self, text: str, shown: Any, *state: Any) -> tuple[str, bool, dict[str, float]]:
        """Appends one shown string and counts its whole width: glyphs and Tc, then Tw, by Tz."""
        width_before = self._actual_str_size["str_widths"]
        text, rtl_dir, size = super()._handle_tj(text, [shown], *state)
        width = size["str_widths"] - width_before
        if isinstance(shown, bytes) and self._has_one_byte_codes():
            word_spacing = self.space_scale - 1.0
            width += 1000 * word_spacing * shown.count(b" ")
        size["str_widths"] = width_before + width * self.char_scale
        return text, rtl_dir, size

    def _without_empty_spaces(self, shown: Any) -> Any:
        """Leaves out spaces that hardly move the pen, as Ghostscript sets them for kerning."""
        if not (isinstance(shown, bytes) and b" " in shown and self._has_one_byte_codes()):
            return shown
        width = self.font.space_width / 1000 * self.font_size
        width += self.char_spacing + self.space_scale - 1.0  # Tc and Tw
        is_space = self.font.character_map.get(" ", " ") == " "
        is_empty = width < _EMPTY_SPACE * self.font_size
        return shown.replace(b" ", b"") if is_space and is_empty else shown

    def _hides_word_gaps(self, shown: Any, before: str) -> bool:
        """Whether the few glyphs of a string are set as far apart as words are.

        Two are the end of a word and the start of the next. Up to four have words of one letter
        between them ("thro" "w a h" "ero"), unless they follow a space: then one word is letter-
        spaced.
        """
        word_gap = 1.3 * _WIDEST_HALF_SPACE / 1000 * self.font_size
        return (
            isinstance(shown, bytes)
            and self.char_spacing >= word_gap
            and self._has_one_byte_codes()
            and ((len(shown) == 2 and b" " not in shown) or (len(shown) in (3, 4) and before > " "))
        )

    def _has_one_byte_codes(self) -> bool:
        return isinstance(self.font.encoding, dict)


class KnownFonts:
    """Takes the place of pypdf's ``Font`` where pages make fonts from their resources.

    To read the same fonts again for every page takes a tenth of pypdf's time.
    """

    # By the resource's id, the last used last; resources are kept, so that no id is used again.
    _known: ClassVar[dict[int, tuple[Any, Font]]] = {}

    @classmethod
    def from_font_resource(cls, resource: Any) -> Font:
        """The font of a resource, the same one when asked again."""
        entry = cls._known.pop(id(resource), None) or (resource, Font.from_font_resource(resource))
        cls._known[id(resource)] = entry
        if len(cls._known) > _MOST_FONTS:
            del cls._known[next(iter(cls._known))]
        return entry[1]


def mend_pypdf() -> bool:
    """Puts these classes in the place of pypdf's own from now on, in this process.

    Returns:
        False if its internals are no longer the ones mended here, and word spaces stay as they are.
    """
    if getattr(_page, "Font", None) is Font:
        _page.Font = KnownFonts
    neutral = getattr(_utils, "NEUTRAL_CHARACTER_RANGES", None)
    is_in_use = getattr(_page, "TextExtraction", None) is TextExtraction
    has_internals = all(hasattr(TextExtraction, name) for name in _INTERNALS)
    if neutral is None or not (is_in_use and has_internals):
        return False
    _page.TextExtraction = SpacedTextExtraction
    # Arabic digits are turned with the letters around them or not, as chance has it: now always.
    _utils.NEUTRAL_CHARACTER_RANGES = tuple(
        (first, last) for first, last in neutral if first not in ("\u0660", "\u06f0")
    )
    return True
