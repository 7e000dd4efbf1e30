r"""Typesets a plain text in many styles with LaTeX, each with its exact text beside it.

    python -m benchmarks.typeset TEXT FOLDER [--words 30000] [--only NAME ...]
    python -m benchmarks.text_quality FOLDER

TEXT has one paragraph per line. FOLDER gets a NAME.pdf and a NAME.txt for each style; a style whose
program or packages are missing is skipped, saying so. The same function writes the TeX and the
truth, so that they agree: footnotes are paragraphs of their own right after the one that calls
them, without call mark and number; a line of verse is one, too; running heads, page numbers and the
table of contents are out.
"""

import argparse
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADING = re.compile(r"(chapter|volume|letter|book|part) ([ivxlc]+|\d+)\b.{0,80}", re.IGNORECASE)
_ESCAPES = {c: "\\" + c for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_CHAPTER_WORDS = 1800
"""Words after which a text without headings gets one."""


@dataclass(frozen=True)
class Style:
    """One way to set a book."""

    name: str
    document_class: str
    preamble: str = ""
    engine: str = "pdflatex"
    heading: str = r"\chapter*{%s}\markboth{%s}{%s}"
    """Sets a heading; each ``%s`` is its text."""
    sections: str = ""
    """Sets a second heading every few paragraphs."""
    number: str = ""
    """What LaTeX puts before a numbered heading, with ``{}`` for the number."""
    section_number: str = ""
    notes: float = 0.0
    """Notes for each paragraph of more than a few words."""
    note_words: tuple[int, int] = (4, 40)
    long_notes: float = 0.0
    """Share of the notes that have up to ten times as many words."""
    extras: bool = False
    """Whether quotations, verse, lists and words in italics come in between."""
    figures: bool = False
    """Whether framed figures with a caption float by."""
    lettrine: bool = False
    contents: bool = False
    front: str = ""
    """TeX before the first paragraph; it must not print what the truth has not."""
    begin: str = ""
    end: str = ""


_T1 = r"\usepackage[T1]{fontenc}\usepackage{lmodern}"
_CM_T1 = r"\usepackage[T1]{fontenc}"
_PALATINO = r"\usepackage[T1]{fontenc}\usepackage{mathpazo}"
_TIMES = r"\usepackage[T1]{fontenc}\usepackage{mathptmx}"
_GARAMOND = r"\usepackage{fontspec}\setmainfont{EB Garamond}"
_SANS = r"\usepackage{fontspec}\setmainfont{Latin Modern Sans}"
_LIBERATION = r"\usepackage{fontspec}\setmainfont{Liberation Serif}"
_SMALL_PAGE = r"\usepackage[a5paper,margin=18mm]{geometry}"
_FANCY = (
    r"\usepackage{fancyhdr}\pagestyle{fancy}\fancyhf{}\fancyhead[LE]{\thepage\quad\itshape\leftmark}"
    r"\fancyhead[RO]{\itshape\rightmark\quad\thepage}"
)
_FANCY_ONE_SIDE = (
    r"\usepackage{fancyhdr}\pagestyle{fancy}\fancyhf{}\fancyhead[L]{\leftmark}"
    r"\fancyhead[R]{\rightmark}\fancyfoot[C]{\thepage}"
)
_SECTION = r"\section*{%s}\markboth{%s}{%s}"
_NUMBERED = r"\chapter{%s}"

STYLES = [
    # One column.
    Style("one-cm-ot1-a5", r"\documentclass[10pt,a5paper]{book}", _SMALL_PAGE + _FANCY),
    Style(
        "one-lm-contents",
        r"\documentclass[11pt,a4paper]{book}",
        _T1 + r"\usepackage{microtype}" + _FANCY,
        heading=_NUMBERED,
        number="Chapter {}",
        sections=r"\section{%s}",
        section_number="{}.{}",
        contents=True,
    ),
    Style(
        "one-memoir-parskip",
        r"\documentclass[12pt,a4paper,oneside]{memoir}",
        _PALATINO + r"\setlength{\parindent}{0pt}\setlength{\parskip}{6pt plus 2pt}",
        heading=_NUMBERED,
        number="Chapter {}",
        contents=True,
    ),
    Style(
        "one-koma-garamond",
        r"\documentclass[10pt,a5paper,DIV=11]{scrbook}",
        _GARAMOND,
        engine="xelatex",
        heading=_NUMBERED,
        number="{}",
        contents=True,
    ),
    Style(
        "one-times-letter",
        r"\documentclass[12pt,letterpaper]{article}",
        _TIMES + r"\usepackage[margin=1in]{geometry}\usepackage{setspace}\onehalfspacing",
        heading=_SECTION,
    ),
    Style(
        "one-lettrine-garamond",
        r"\documentclass[11pt,a5paper,twoside]{book}",
        _GARAMOND + r"\usepackage{lettrine}" + _SMALL_PAGE + _FANCY,
        engine="xelatex",
        lettrine=True,
        contents=True,
    ),
    Style(
        "one-lettrine-cm",
        r"\documentclass[11pt,a5paper,twoside]{book}",
        r"\usepackage{lettrine}\setcounter{DefaultLines}{3}\renewcommand{\LettrineFontHook}{\scshape}"
        + _SMALL_PAGE,
        lettrine=True,
    ),
    Style(
        "one-ragged-sans",
        r"\documentclass[11pt,a5paper]{book}",
        _SANS
        + _SMALL_PAGE
        + r"\usepackage{ragged2e}\setlength{\RaggedRightParindent}{1.2em}"
        + r"\AtBeginDocument{\RaggedRight}",
        engine="xelatex",
    ),
    Style(
        "one-ragged-parskip",
        r"\documentclass[10pt,a5paper]{article}",
        _T1 + _SMALL_PAGE + r"\usepackage{parskip}\AtBeginDocument{\raggedright}",
        heading=_SECTION,
    ),
    Style(
        "one-extras-lm",
        r"\documentclass[11pt,letterpaper]{book}",
        _T1 + _FANCY,
        sections=r"\section*{%s}",
        extras=True,
        contents=True,
        heading=r"\chapter*{%s}\addcontentsline{toc}{chapter}{%s}\markboth{%s}{}",
    ),
    Style(
        "one-extras-parskip",
        r"\documentclass[10pt,a5paper]{book}",
        _CM_T1 + r"\usepackage{parskip}" + _SMALL_PAGE + _FANCY_ONE_SIDE,
        extras=True,
    ),
    Style(
        "one-figures-lm",
        r"\documentclass[11pt,a4paper]{article}",
        _T1 + _FANCY_ONE_SIDE + r"\usepackage{float}",
        heading=_SECTION,
        figures=True,
    ),
    Style(
        "one-bitmaps-ot1",
        r"\documentclass[11pt,a5paper]{book}\pdfmapfile{}",
        _SMALL_PAGE + _FANCY,
    ),
    Style(
        "one-bitmaps-t1",
        r"\documentclass[11pt,a5paper]{book}\pdfmapfile{}",
        _CM_T1 + _SMALL_PAGE + _FANCY,
    ),
    # One column with notes.
    Style(
        "notes-chapter-cm",
        r"\documentclass[11pt,a5paper]{book}",
        _SMALL_PAGE + _FANCY,
        heading=_NUMBERED,
        number="Chapter {}",
        notes=0.3,
        long_notes=0.1,
    ),
    Style(
        "notes-symbols-lm",
        r"\documentclass[11pt,a5paper]{book}",
        _T1 + _SMALL_PAGE + r"\usepackage[symbol*,perpage]{footmisc}",
        notes=0.25,
        long_notes=0.05,
    ),
    Style(
        "notes-perpage-times",
        r"\documentclass[10pt,letterpaper]{book}",
        _TIMES + r"\usepackage[perpage,flushmargin]{footmisc}" + _FANCY,
        notes=0.4,
        long_notes=0.1,
    ),
    Style(
        "notes-full-size-mark",
        r"\documentclass[11pt,a4paper]{scrbook}",
        _PALATINO + r"\deffootnote{1.5em}{1em}{\thefootnotemark.\ }",
        notes=0.3,
        long_notes=0.1,
    ),
    Style(
        "notes-memoir-garamond",
        r"\documentclass[11pt,a5paper]{memoir}",
        _GARAMOND + r"\pagestyle{companion}",
        engine="xelatex",
        notes=0.3,
        long_notes=0.1,
        heading=_NUMBERED,
        number="Chapter {}",
        extras=True,
    ),
    # Two columns with notes.
    Style(
        "two-article-cm",
        r"\documentclass[10pt,a4paper,twocolumn]{article}",
        heading=_SECTION,
        notes=0.15,
    ),
    Style(
        "two-book-lm-long",
        r"\documentclass[10pt,a4paper,twocolumn]{book}",
        _T1 + _FANCY + r"\usepackage{microtype}",
        notes=0.3,
        long_notes=0.2,
        contents=True,
        heading=_NUMBERED,
        number="Chapter {}",
    ),
    Style(
        "two-many-notes-palatino",
        r"\documentclass[11pt,letterpaper,twocolumn]{article}",
        _PALATINO + r"\usepackage[margin=20mm]{geometry}" + _FANCY_ONE_SIDE,
        heading=_SECTION,
        notes=0.8,
    ),
    Style(
        "two-symbols-lm",
        r"\documentclass[10pt,letterpaper,twocolumn]{article}",
        _T1 + r"\usepackage[symbol*,perpage]{footmisc}",
        heading=_SECTION,
        notes=0.1,
    ),
    Style(
        "two-perpage-garamond",
        r"\documentclass[11pt,letterpaper,twocolumn,twoside]{book}",
        _GARAMOND + _FANCY + r"\usepackage[perpage]{footmisc}",
        engine="xelatex",
        notes=0.2,
        long_notes=0.1,
    ),
    Style(
        "two-parskip-times",
        r"\documentclass[10pt,a4paper,twocolumn]{article}",
        _TIMES + r"\usepackage{parskip}",
        heading=_SECTION,
        notes=0.2,
        long_notes=0.1,
    ),
    Style(
        "two-ragged-lm",
        r"\documentclass[10pt,a4paper,twocolumn]{article}",
        _T1 + r"\usepackage{ragged2e}\AtBeginDocument{\RaggedRight\setlength{\parindent}{1em}}",
        heading=_SECTION,
        notes=0.2,
    ),
    Style(
        "two-multicol-cm",
        r"\documentclass[10pt,a4paper]{article}",
        _CM_T1 + r"\usepackage{multicol}\setlength{\columnsep}{8mm}",
        heading=_SECTION,
        notes=0.2,
        long_notes=0.1,
        begin=r"\begin{multicols}{2}",
        end=r"\end{multicols}",
    ),
    Style(
        "two-multicol-balanced",
        r"\documentclass[11pt,a4paper]{book}",
        _LIBERATION + r"\usepackage{multicol}\usepackage[margin=22mm]{geometry}" + _FANCY,
        engine="xelatex",
        heading=r"\end{multicols}\section*{%s}\markboth{%s}{%s}\begin{multicols}{2}",
        notes=0.2,
        begin=r"\begin{multicols}{2}",
        end=r"\end{multicols}",
    ),
    Style(
        "two-ftnright-cm",
        r"\documentclass[10pt,a4paper,twocolumn]{article}",
        r"\usepackage{ftnright}",
        heading=_SECTION,
        notes=0.15,
    ),
    Style(
        "two-extras-lm",
        r"\documentclass[10pt,a4paper,twocolumn]{book}",
        _T1 + r"\usepackage{lettrine}" + _FANCY,
        notes=0.2,
        long_notes=0.1,
        extras=True,
        lettrine=True,
        contents=True,
    ),
    Style(
        "two-figures-lm",
        r"\documentclass[10pt,a4paper,twocolumn]{article}",
        _T1 + r"\usepackage{float}",
        heading=_SECTION,
        notes=0.1,
        figures=True,
    ),
    Style(
        "two-tight-dialogue",
        r"\documentclass[12pt,a4paper,twocolumn]{article}",
        _PALATINO + r"\usepackage[margin=15mm,columnsep=14pt]{geometry}\setlength{\parindent}{8pt}",
        heading=_SECTION,
    ),
    Style(
        "three-multicol-times",
        r"\documentclass[9pt,a4paper,landscape]{extarticle}",
        _TIMES + r"\usepackage{multicol}\usepackage[margin=15mm]{geometry}",
        heading=_SECTION,
        begin=r"\begin{multicols}{3}",
        end=r"\end{multicols}",
    ),
]


class _Setting:
    """One text on its way to TeX, in ``tex``, and to what a reader should find, in ``truth``."""

    def __init__(self, style: Style, paragraphs: list[str], note_material: list[str]) -> None:
        self.style = style
        self.paragraphs = paragraphs
        self.note_words = " ".join(note_material).split()
        self.random = random.Random(style.name)
        self.tex: list[str] = []
        self.truth: list[str] = []
        self.chapter = self.section = self.words = self.notes = self.figures = 0

    def run(self) -> None:
        begins_chapter = False
        for number, text in enumerate(self.paragraphs):
            is_heading = _HEADING.fullmatch(text) is not None
            if is_heading or number == 0 or self.words > _CHAPTER_WORDS:
                title = text if is_heading else f"{self._title()}"
                self._set_chapter(title)
                begins_chapter = True
                if is_heading:
                    continue
            self.words += len(text.split())
            kind = self.random.random()
            if begins_chapter and self.style.lettrine and len(text.split()) > 60:
                self._set_with_initial(text)
            elif self.style.sections and kind < 0.03 and not begins_chapter:
                self._set_section()
                self._set_paragraph(text)
            elif self.style.extras and kind > 0.92 and not begins_chapter:
                self.random.choice([self._set_quote, self._set_verse, self._set_list])(text)
            else:
                self._set_paragraph(text)
            if self.style.figures and kind > 0.97:
                self._set_figure()
            begins_chapter = False

    def _title(self) -> str:
        start = self.random.randrange(len(self.note_words) - 10)
        words = self.note_words[start : start + self.random.randrange(2, 6)]
        return " ".join(words).strip(".,;:!?“”‘’—-()_").capitalize() or "Untitled"

    def _set_chapter(self, title: str) -> None:
        self.chapter, self.section, self.words = self.chapter + 1, 0, 0
        if self.style.number:
            number = self.style.number.format(self.chapter)
            title = self._title()
            is_above = not self.style.number.startswith("{")
            self.truth += [number, title] if is_above else [f"{number} {title}"]
        else:
            self.truth.append(title)
        self.tex.append(self.style.heading.replace("%s", escape(title)) + "\n")

    def _set_section(self) -> None:
        self.section += 1
        title = self._title()
        number = self.style.section_number.format(self.chapter, self.section)
        self.truth.append(f"{number} {title}".strip())
        self.tex.append(self.style.sections.replace("%s", escape(title)) + "\n")

    def _set_paragraph(self, text: str) -> None:
        tex, notes = self._with_notes(text)
        self.tex.append(tex + "\n")
        self.truth += [text, *notes]

    def _with_notes(self, text: str) -> tuple[str, list[str]]:
        """The TeX of a paragraph with its notes, and the notes."""
        words = text.split()
        places: set[int] = set()
        if len(words) > 8:
            rate = self.style.notes * min(4.0, len(words) / 60)
            number = sum(self.random.random() < rate / 2 for _ in range(2))
            ends = [i for i, word in enumerate(words) if word[-1] in ".,;!?”"]
            places = {self.random.choice(ends or [len(words) - 1]) for _ in range(number)}
            if self.random.random() < 0.3:  # some are called by a word in mid-sentence
                places = {max(0, place - self.random.randrange(3)) for place in places}
        notes = []
        for index, word in enumerate(words):
            words[index] = escape(word)
            if self.style.extras and word.isalpha() and self.random.random() < 0.01:
                words[index] = rf"\emph{{{word}}}"
            if index in places:
                notes.append(self._note())
                words[index] += rf"\footnote{{{escape(notes[-1])}}}"
        return " ".join(words), notes

    def _note(self) -> str:
        fewest, most = self.style.note_words
        length = self.random.randrange(fewest, most)
        if self.random.random() < self.style.long_notes:
            length *= self.random.randrange(3, 11)
        start = self.random.randrange(len(self.note_words) - length)
        text = " ".join(self.note_words[start : start + length]).strip("“”‘’—,;:")
        return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")

    def _set_with_initial(self, text: str) -> None:
        first, rest = text.split(" ", 1)
        opening = "“" if first.startswith("“") else ""
        first = first.removeprefix("“")
        ante = f"[ante={opening}]" if opening else ""
        initial = rf"\lettrine{ante}{{{first[0]}}}{{{escape(first[1:])}}}"
        tex, notes = self._with_notes(rest)
        self.tex.append(f"{initial} {tex}\n")
        self.truth += [text, *notes]

    def _set_quote(self, text: str) -> None:
        kind = self.random.choice(["quote", "quotation"])
        tex, notes = self._with_notes(text)
        self.tex.append(f"\\begin{{{kind}}}\n{tex}\n\\end{{{kind}}}\n")
        self.truth += [text, *notes]

    def _set_verse(self, text: str) -> None:
        words = text.split()[:24]
        lines = [" ".join(words[start : start + 6]) for start in range(0, len(words), 6)]
        lines = [line[0].upper() + line[1:] for line in lines]
        tex = " \\\\\n".join(map(escape, lines))
        self.tex.append(f"\\begin{{verse}}\n{tex}\n\\end{{verse}}\n")
        self.truth += lines

    def _set_list(self, text: str) -> None:
        sentences = re.split(r"(?<=[.!?]) (?=[A-Z])", text)
        is_numbered = self.random.random() < 0.5
        kind = "enumerate" if is_numbered else "itemize"
        items = "\n".join(rf"\item {escape(sentence)}" for sentence in sentences)
        self.tex.append(f"\\begin{{{kind}}}\n{items}\n\\end{{{kind}}}\n")
        for number, sentence in enumerate(sentences, start=1):
            self.truth.append(f"{number}. {sentence}" if is_numbered else f"• {sentence}")

    def _set_figure(self) -> None:
        self.figures += 1
        caption = self._note()
        height = self.random.randrange(20, 50)
        box = rf"\framebox{{\rule{{40mm}}{{0pt}}\rule{{0pt}}{{{height}mm}}}}"
        self.tex.append(
            f"\\begin{{figure}}[H]\n\\centering{box}\n\\caption{{{escape(caption)}}}\n"
            "\\end{figure}\n"
        )
        self.truth.append(f"Figure {self.figures}: {caption}")


def escape(text: str) -> str:
    r"""Plain text as TeX that prints it.

    >>> escape("5% of £3 & _more_")
    '5\\% of £3 \\& \\_more\\_'
    """
    return "".join(_ESCAPES.get(character, character) for character in text)


def set_book(
    style: Style, paragraphs: list[str], note_material: list[str]
) -> tuple[str, list[str]]:
    """The TeX of a whole book, and its paragraphs as a reader should find them."""
    setting = _Setting(style, paragraphs, note_material)
    setting.run()
    inputenc = "" if style.engine == "xelatex" else r"\usepackage{textcomp}"
    has_parts = "{article}" not in style.document_class and "extarticle" not in style.document_class
    contents = r"\tableofcontents" if style.contents else ""
    if contents and has_parts:
        contents = rf"\frontmatter{contents}\mainmatter"
    tex = [
        style.document_class,
        r"\usepackage[english]{babel}",
        inputenc + style.preamble,
        r"\begin{document}",
        contents,
        style.front + style.begin,
        *setting.tex,
        style.end,
        r"\end{document}",
    ]
    return "\n".join(tex), setting.truth


def typeset(style: Style, paragraphs: list[str], note_material: list[str], folder: Path) -> str:
    """Writes NAME.pdf and NAME.txt, or returns why it could not."""
    if shutil.which(style.engine) is None:
        return f"no {style.engine}"
    tex, truth = set_book(style, paragraphs, note_material)
    with tempfile.TemporaryDirectory() as work:
        source = Path(work, f"{style.name}.tex")
        source.write_text(tex, encoding="utf-8")
        command = [style.engine, "-interaction=nonstopmode", "-halt-on-error", source.name]
        for _ in range(3 if style.contents or "perpage" in style.preamble else 1):
            run = subprocess.run(
                command, cwd=work, capture_output=True, text=True, errors="replace"
            )
            if run.returncode:
                return next(
                    (line for line in run.stdout.splitlines() if line.startswith("!")), "failed"
                )
        shutil.copy(source.with_suffix(".pdf"), folder)
    (folder / f"{style.name}.txt").write_text("\n\n".join(truth) + "\n", encoding="utf-8")
    return ""


def split_text(lines: list[str], num_words: int) -> tuple[list[str], list[str]]:
    """The first paragraphs with so many words, and the others, of which notes are made."""
    paragraphs = [" ".join(line.split()) for line in lines if line.strip()]
    end = next(_where_words_exceed(paragraphs, num_words), len(paragraphs) * 2 // 3)
    return paragraphs[:end], paragraphs[end:]


def _where_words_exceed(paragraphs: list[str], num_words: int) -> Iterator[int]:
    words = 0
    for index, paragraph in enumerate(paragraphs):
        words += len(paragraph.split())
        if words > num_words:
            yield index


def main() -> None:
    """Typesets the text in every style, or in those named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("text", type=Path, help="one paragraph per line")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", type=int, default=30_000, help="words of the text to set")
    parser.add_argument("--only", nargs="*", default=[], help="names of styles")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    lines = arguments.text.read_text(encoding="utf-8").splitlines()
    paragraphs, note_material = split_text(lines, arguments.words)
    for style in STYLES:
        if arguments.only and style.name not in arguments.only:
            continue
        problem = typeset(style, paragraphs, note_material, arguments.folder)
        print(f"{style.name}: {'skipped, ' + problem if problem else 'done'}", flush=True)


if __name__ == "__main__":
    main()
