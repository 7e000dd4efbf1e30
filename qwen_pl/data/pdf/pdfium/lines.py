"""Makes pieces of lines of what pdfium tells of a page's characters, with the spaces between words.

They have the places and sizes that those of pypdf have.
"""

import math
import re
from itertools import pairwise
from typing import NamedTuple

from qwen_pl.data.page.fonts import is_monospaced
from qwen_pl.data.page.line import Line, is_large_initial, parted
from qwen_pl.data.page.scripts import COMBINING, is_right_to_left
from qwen_pl.data.pdf.open_file import raise_number, valid_unicode
from qwen_pl.data.pdf.pdfium.characters import HYPHEN, Characters
from qwen_pl.data.pdf.pdfium.objects import Looked
from qwen_pl.data.pdf.seen import seen_lines

# Lines end in "\r\n"; a "\r" by itself is the code of a sign in a font without a map to Unicode.
_LINE = re.compile(f"(?:[^\r\n{HYPHEN}]+|\r(?!\n))+{HYPHEN}?")
# In text from right to left pdfium turns these round like brackets, but Unicode does not.
_UNMIRRORED = str.maketrans("“”‘’", "”“’‘")
_OTHER_LINE = 0.8  # of the smaller size: baselines farther apart are of two lines
_WORD_GAP = 0.2  # of the size
_NO_GAP = 0.05  # of the size
_SHORT = 8  # characters of a text whose spaces are looked at
_FEW = 4  # letters of a text in which spaces may be hidden
_TIGHT_WORD_GAP = 0.1  # of the size
_WORD_GAP_SHARE = 0.6  # of the space between other words of the line
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_BLANK = re.compile(" ")
_SPACES = re.compile("  +")
_WORD_ENDS = re.compile(rf"[\w{COMBINING}]")
_SPACE = re.compile(r"(?<=[^\W\d_]) (?=[^\W\d_])")
_PAIR = re.compile(r"[^\s(“‘](?=[^\s.,;:!?)’”])")  # between which a space may be
_NARROW = 0.15  # of the size: a narrower gap is none between words
_CELL_GAP = 1.2  # of the size: a wider one may be between cells of a table
_NUMBER_GAP = 0.9  # of the size: a wider one between two numbers is
_NUMBER = re.compile(r"[-+−±<>~(]*\d[\d.,]*(?:[–-]\d[\d.,]*)?[)%*†‡KMBk]*|[-–—−]")
_FEW_LETTERS = 25  # of a line that may be no prose
_CODE_WIDTH = 0.6  # of the size, of a letter of code
_WIDE_GAP = 2.0  # of the size, whatever the other gaps of the line
_WIDER = 1.6  # times the least gap between words of the line
_SIGNS = re.compile("symbol|dingbat|wingding|webding", re.IGNORECASE)
_BESIDE = 0.3  # of the size: baselines nearer are of one row
_INDENT = 6.0  # times the size: as far may a bullet stand from its text
_MOST_SIGNS = 200  # of a page
_MOST_SPACES = 200  # between two words of code
_WIDEST_GAP = 1.0  # of the size, between two parts of a line that pdfium has cut


class _Run(NamedTuple):
    """Characters of one line that belong to one text object."""

    text: str
    x: float
    y: float
    size: float
    first: int
    """Index of the first character that is not a space."""
    last: int
    """Index of the last one."""
    end: float
    """Right end of the last one, as ``x``."""
    font: str
    turn: int
    word_gap: float
    """The least space between two of its words, in points; infinite if there is none."""
    is_unpainted: bool


def lines_of_page(characters: Characters, looked: Looked) -> list[Line]:
    """The lines that have text and are seen, in pdfium's order."""
    lines: list[list[_Run]] = []
    for match in _LINE.finditer(characters.text):
        runs = _runs(characters, looked, *match.span())
        is_behind = lines and runs and runs[0].x > lines[-1][-1].x
        if is_behind and (gap := _gap(characters, lines[-1], runs[0])) is not None:
            if gap > _WORD_GAP:
                runs[0] = runs[0]._replace(text=" " + runs[0].text)
            runs = lines.pop() + runs
        lines += [piece for line in parted(runs, _begins_line) for piece in _pieces(line)]
    pieces = [_join(characters, runs) for runs in lines]
    unpainted = {at for at, runs in enumerate(lines) if runs[0].is_unpainted}
    unpainted -= _painted_again(pieces, unpainted, characters, looked)
    pieces = seen_lines(pieces, unpainted, looked.pictures, looked.page)
    return _with_signs(pieces, characters, looked)


def _painted_again(
    lines: list[Line], unpainted: set[int], characters: Characters, looked: Looked
) -> set[int]:
    """Those of the lines not painted that are painted in the same place: pdfium tells one alone."""
    if not unpainted:
        return set()
    others = looked.texts.keys() - characters.told - looked.unpainted
    places = {tuple(map(round, looked.start(text))) for text in others}
    return {
        at
        for at in unpainted
        if any(
            (round(lines[at].x) + right, round(lines[at].y) + up) in places
            for right in (-1, 0, 1)
            for up in (-1, 0, 1)
        )
    }


def _with_signs(lines: list[Line], characters: Characters, looked: Looked) -> list[Line]:
    """Lines with the bullets before them of which pdfium makes no characters.

    It makes none of a glyph without a box, as of a font of signs that is not there.
    """
    found: dict[int, float] = {}
    for text in looked.texts.keys() - characters.told - looked.unclear:
        if _SIGNS.search(characters.font(text)):
            x, y = looked.start(text)
            beside = [
                (line.x, at)
                for at, line in enumerate(lines)
                if abs(line.y - y) < _BESIDE * line.size and 0 < line.x - x < _INDENT * line.size
            ]
            if beside and len(found) < _MOST_SIGNS:
                found[min(beside)[1]] = x
    for at in sorted(found, reverse=True):
        line = lines[at]
        sign = line._replace(
            text="•", x=round(found[at], 2), end=round(found[at] + line.size / 2, 2)
        )
        lines.insert(at, sign)
    return lines


def _runs(characters: Characters, looked: Looked, start: int, end: int) -> list[_Run]:
    """The text objects of a line, each with the spaces that pdfium has put after it.

    One that has gaps as between the columns of a table is a run for each part.
    """
    runs: list[_Run] = []
    whole = characters.text
    for first, stop, shown in characters.objects(start, end):
        text = whole[first:stop]
        if not shown or text.isspace():
            if runs:
                runs[-1] = runs[-1]._replace(text=runs[-1].text + text)
            continue
        characters.told.add(shown)
        if shown in looked.unclear:
            continue
        last = first + len(text.rstrip()) - 1
        blanks = len(text) - len(text.lstrip())
        place, right_end, turn = characters.place(first + blanks, last)
        font = characters.font(shown)
        run = _Run(
            text,
            *place,
            first + blanks,
            last,
            right_end,
            font,
            turn,
            math.inf,
            shown in looked.unpainted,
        )
        if runs and _is_apart(characters, runs[-1], run):
            runs[-1] = runs[-1]._replace(text=runs[-1].text + " ")
        if 0 < last - first < _SHORT:
            run = _respaced(characters, run)
        runs += _parts(characters, run) if " " in text else [run]
    return runs


def _parts(characters: Characters, run: _Run) -> list[_Run]:
    """A run in parts where words are far apart, with the spaces that pdfium has not found."""
    text, gap = characters.text[run.first : run.last + 1], characters.gap
    if is_right_to_left(text):
        return [run]
    spaces = [match.start() for match in _BLANK.finditer(text)]
    gaps = [gap(run.first + at - 1, run.first + at + 1, run.turn) for at in spaces]
    if not gaps:
        return [run]
    if is_monospaced(run.font):
        return [_columned(characters, run, spaces, gaps)]
    run = run._replace(word_gap=min(gaps))
    wide = [at for at, width in zip(spaces, gaps, strict=True) if width > _NUMBER_GAP * run.size]
    if not wide:
        short = run.last - run.first < _SHORT
        return [run if short else _spaced(characters, run, gaps[0])]
    parts = []
    after = run.text[run.last + 1 - run.first :]
    for start, end in pairwise([-1, *wide, len(text)]):
        first, last = run.first + start + 1, run.first + end - 1
        (x, y, size), right_end, _ = characters.place(first, last)
        inside = [g for at, g in zip(spaces, gaps, strict=True) if start < at < end]
        parts.append(
            run._replace(
                text=text[start + 1 : end] + (" " if end < len(text) else after),
                x=x,
                y=y,
                size=size,
                first=first,
                last=last,
                end=right_end,
                word_gap=min(inside, default=math.inf),
            )
        )
    return parts


def _columned(characters: Characters, run: _Run, spaces: list[int], gaps: list[float]) -> _Run:
    """A run of a font whose letters are all as wide, with as many spaces as fit."""
    width = characters.right_end(run.first) - characters.left_end(run.first)
    if not 0 < width < math.inf:
        return run
    text = list(run.text)
    start = len(run.text) - len(run.text.lstrip())
    for at, gap in zip(spaces, gaps, strict=True):
        text[start + at] = " " * max(1, min(_MOST_SPACES, round(gap / width)))
    return run._replace(text="".join(text))


def _pieces(line: list[_Run]) -> list[list[_Run]]:
    """The runs of a line in parts that a gap divides wider than those between words.

    Where all words of a long line are far apart, it is justified.
    """
    if len(line) == 1:
        return [line]
    gaps = [right.x - left.end for left, right in pairwise(line)]
    if max(map(abs, gaps)) <= _NUMBER_GAP * min(run.size for run in line):
        return [line]
    words = [run.word_gap for run in line if run.word_gap < math.inf]
    words += [gap for run, gap in zip(line, gaps, strict=False) if gap > _NARROW * run.size]
    is_prose = (
        len(words) > 2 and sum(map(str.isalpha, "".join(r.text for r in line))) > _FEW_LETTERS
    )
    least = min(words) if is_prose else 0.0
    pieces = [[line[0]]]
    for run, gap in zip(line[1:], gaps, strict=True):
        before = pieces[-1][-1]
        size = min(run.size, before.size)
        if run.x < before.x and (is_right_to_left(run.text) or is_right_to_left(before.text)):
            gap = before.x - run.end
        is_code = is_monospaced(run.font) and is_monospaced(before.font)
        if gap < -_CELL_GAP * size or (
            not is_code and _is_wide(before, run, gap / size, least / size)
        ):
            pieces[-1][-1] = before._replace(text=before.text.rstrip(" "))
            pieces.append([])
        elif is_code and gap > 0:
            width = before.size * _CODE_WIDTH
            spaces = " " * max(1, min(_MOST_SPACES, round(gap / width))) if gap > width / 2 else ""
            pieces[-1][-1] = before._replace(text=before.text.rstrip(" ") + spaces)
        pieces[-1].append(run)
    return pieces


def _is_wide(before: _Run, run: _Run, gap: float, least: float) -> bool:
    """Whether a gap is one between cells of a table or columns, rather than words.

    Args:
        gap: In sizes, as all here.
        least: The least gap between words of the line; 0 for one that is no prose.
    """
    if _NUMBER.fullmatch(before.text.strip()) and _NUMBER.fullmatch(run.text.strip()):
        return gap > _NUMBER_GAP
    return gap > _CELL_GAP and (gap > _WIDE_GAP or gap >= _WIDER * least)


def _respaced(characters: Characters, run: _Run) -> _Run:
    """A short run with spaces where its letters are as far apart as words are, and only there.

    Ghostscript shows the letters around a space as one text with a large character spacing, in
    which pdfium looks for no gap. Three or four have words of one letter between them, unless
    they follow a space: then one word is letterspaced. Other texts have spaces without width.
    """
    if is_right_to_left(run.text) or not run.size:
        return run
    first = run.last + 1 - len(run.text.rstrip())
    letters = [index for index in range(first, run.last + 1) if characters.text[index] != " "]
    follows_space = not characters.text[first - 1 : first].strip()
    may_hide_spaces = len(letters) == 2 or (len(letters) <= _FEW and not follows_space)
    text = characters.text[first : letters[0] + 1]
    for left, right in pairwise(letters):
        gap = characters.left_end(right) - characters.right_end(left)
        has_space = right > left + 1
        if has_space:
            text += " " if gap > _NO_GAP * run.size else ""
        elif may_hide_spaces:
            text += " " if gap > _WORD_GAP * run.size else ""
        text += characters.text[right]
    return run._replace(text=text + run.text[len(run.text.rstrip()) :])


def _is_apart(characters: Characters, before: _Run, run: _Run) -> bool:
    """Whether a text object goes on with another word than the one before, without a space.

    Single letters apart may be those of one letterspaced word.
    """
    is_glued = _WORD_ENDS.match(before.text[-1:]) and run.text[:1].isalnum()
    if not is_glued or min(len(before.text), len(run.text)) < 2 or before.size != run.size:
        return False
    gap = (run.x - before.end) / (run.size or 1.0)
    return _TIGHT_WORD_GAP < gap < _WIDEST_GAP


def _spaced(characters: Characters, run: _Run, width: float) -> _Run:
    """A run with the spaces that pdfium has not found in a line that is set tightly.

    The wider a letter, the wider is the gap that pdfium asks for before it. The spaces of a
    line are alike, so that one of them, as wide as given, tells whether others may be too narrow.
    """
    if not _NO_GAP * run.size < width < _WORD_GAP * run.size or not _SPACE.search(run.text):
        return run
    gap = characters.gap
    narrowest = max(_WORD_GAP_SHARE * width, _NO_GAP * run.size)
    first = run.first - (len(run.text) - len(run.text.lstrip()))
    pairs = [match.start() for match in _PAIR.finditer(run.text)]
    gaps = [gap(first + index, first + index + 1, run.turn) for index in pairs]
    hidden = [i + 1 for i, width in zip(pairs, gaps, strict=True) if width > narrowest]
    if len(hidden) > len(pairs) / 4:  # it is letterspaced
        return run
    ends = pairwise([0, *hidden, len(run.text)])
    return run._replace(text=" ".join(run.text[start:end] for start, end in ends))


def _gap(characters: Characters, line: list[_Run], run: _Run) -> float | None:
    """How far behind a line a run goes on with it, in sizes; None if it does not.

    pdfium ends a line at some raised signs in its middle.
    """
    before = line[-1]
    size = max(run.size, before.size)
    if not size or _is_on_other_line(line, run) or run.is_unpainted != before.is_unpainted:
        return None
    gap = (run.x - before.end) / size
    return gap if -_WIDEST_GAP < gap < _WIDEST_GAP else None


def _join(characters: Characters, runs: list[_Run]) -> Line:
    """One line from its runs: it starts at the first, and has the size and font of most letters."""
    if any(_PRIVATE.search(run.text) for run in runs):
        from qwen_pl.data.pdf.fonts.glyph_names import plain_signs  # which few pages need

        runs = [run._replace(text=plain_signs(run.text, run.font)) for run in runs]
    text, x, y, size = runs[0][:4]
    end, font = max(run.end for run in runs), runs[0].font
    if len(runs) > 1:
        letters: dict[float, int] = {}
        fonts: dict[str, int] = {}
        for run in runs:
            letters[run.size] = letters.get(run.size, 0) + len(run.text)
            fonts[run.font] = fonts.get(run.font, 0) + len(run.text)
        size = max(letters, key=letters.__getitem__)
        font = max(fonts, key=fonts.__getitem__)
        y = next(run.y for run in runs if run.size == size)
        scale = size or 1.0
        text = "".join([raise_number(run.text, run.y - y, run.size / scale) for run in runs])
    if is_right_to_left(text):
        # The last character of a run may stand at its left end.
        text = text.translate(_UNMIRRORED)
        x = min(min(run.x, characters.left_end(run.last)) for run in runs)
        end = max(max(run.end, characters.right_end(run.first)) for run in runs)
    text = valid_unicode(text.replace(HYPHEN, "-")).strip(" ")
    if "  " in text and not is_monospaced(font):
        text = _SPACES.sub(" ", text)
    return Line(text, x, y, size or 1.0, round(end, 2), font, runs[0].turn)


def _begins_line(line: list[_Run], run: _Run) -> bool:
    """Whether the baseline moves as far as to another line, where pdfium sees but one.

    So it does before a large initial, which has the baseline of a later line of its paragraph.
    """
    if run.turn != line[-1].turn or run.is_unpainted != line[-1].is_unpainted:
        return True
    is_lower = run.y != line[-1].y and _is_on_other_line(line, run)
    is_left = run.x < line[0].x
    return is_lower or (is_left and is_large_initial(run.text, run.size, line[0].size))


def _is_on_other_line(line: list[_Run], run: _Run) -> bool:
    largest = max(line, key=lambda run: run.size)
    return abs(largest.y - run.y) > _OTHER_LINE * min(largest.size, run.size)
