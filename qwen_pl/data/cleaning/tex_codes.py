"""Reads codes of TeX's bitmap fonts, which have no map to Unicode, as the characters they show.

Without outlines of a font at hand, TeX draws its letters as a Type 3 font, and readers can but take
the codes for characters: "\\x10five\\x11" for “five” with the fi a single sign. Letters and digits
come out right, since both of TeX's encodings have them where ASCII has them.

Source: F. Mittelbach et al., "LaTeX font encodings" (encguide), the tables of OT1 and T1.
"""

import re

from qwen_pl.data.page.line import Page

_T1 = {
    **dict(zip(range(0x00, 0x0D), "`´ˆ˜¨˝˚ˇ˘¯˙¸˛", strict=True)),
    **dict(zip(range(0x0D, 0x1B), "‚‹›“”„«»–—\u200b₀ıȷ", strict=True)),
    **dict(zip(range(0x1B, 0x20), ("ff", "fi", "fl", "ffi", "ffl"), strict=True)),
    **{0x27: "’", 0x60: "‘", 0x7F: "-"},
    **dict(zip(range(0x80, 0xA0), "ĂĄĆČĎĚĘĞĹĽŁŃŇŊŐŔŘŚŠŞŤŢŰŮŸŹŽŻĲİđ§", strict=True)),
}
_T1_BEYOND_ASCII = {
    **dict(zip(range(0xA0, 0xC0), "ăąćčďěęğĺľłńňŋőŕřśšşťţűůÿźžżĳ¡¿£", strict=True)),
    **{0xD7: "Œ", 0xDF: "SS", 0xF7: "œ", 0xFF: "ß"},
}
for _raised_digit in "¹²³":  # the readers make these of the marks of notes
    del _T1_BEYOND_ASCII[ord(_raised_digit)]
_OT1 = {
    **dict(zip(range(0x0B, 0x10), ("ff", "fi", "fl", "ffi", "ffl"), strict=True)),
    **dict(zip(range(0x10, 0x20), "ıȷ`´ˇ˘¯˚¸ßæœøÆŒØ", strict=True)),
    **{0x27: "’", 0x60: "‘", 0x7F: "¨"},
}
_OT1_IN_PLACE_OF_ASCII = {0x22: "”", 0x5C: "“", 0x7B: "–", 0x7C: "—", 0x7D: "˝", 0x7E: "˜"}

_T1_SEEN = re.compile(r"\x10(?=\w)|(?<=\S)\x11|(?<=\w)[\x15\x16]|[\x1b-\x1f](?=[a-z])")
_OT1_SEEN = re.compile(r"[\x0b-\x0f](?=[a-z])|(?<=[a-z])[\x0b-\x0f]")
_IN_WORD = re.compile(r"[a-z][\x0b-\x0f\x1b-\x1e][a-z]")  # one is enough
_FEWEST = 3
_MOST_OTHERS = 0.1  # of the characters, which may be of other fonts


def read_tex_codes(pages: list[Page]) -> list[Page]:
    """Pages with the characters that were meant, in lines as large as those that need it.

    Other documents, in which no such codes stand beside letters, are returned as they are.
    """
    lines = [line for page in pages for line in page]
    texts = [line.text for line in lines]
    t1, ot1 = ([len(seen.findall(text)) for text in texts] for seen in (_T1_SEEN, _OT1_SEEN))
    if max(sum(t1), sum(ot1)) < _FEWEST and not any(map(_IN_WORD.search, texts)):
        return pages
    seen = t1 if sum(t1) > sum(ot1) else ot1
    sizes = {round(line.size) for line, found in zip(lines, seen, strict=True) if found}
    of_these = "\n".join(line.text for line in lines if round(line.size) in sizes)
    if sum(ord(character) > 0xFF for character in of_these) > _MOST_OTHERS * len(of_these):
        return pages  # its letters have a map to Unicode
    table = _t1_table(of_these) if seen is t1 else _ot1_table(of_these)
    return [
        [
            line._replace(text=line.text.translate(table)) if round(line.size) in sizes else line
            for line in page
        ]
        for page in pages
    ]


def _t1_table(text: str) -> dict[int, str]:
    """T1 as a table; letters beyond ASCII only if no other font shows letters of its own."""
    is_all_codes = all(ord(character) < 0x100 for character in set(text) - set("⁰⁴⁵⁶⁷⁸⁹"))
    return _T1 | _T1_BEYOND_ASCII if is_all_codes else _T1


def _ot1_table(text: str) -> dict[int, str]:
    r"""OT1 as a table; ``\`` and ``"`` are quotation marks if they come in pairs."""
    opening, closing = text.count("\\"), text.count('"')
    are_quotes = opening and opening / 2 < closing < 2 * opening
    return _OT1 | _OT1_IN_PLACE_OF_ASCII if are_quotes else _OT1
