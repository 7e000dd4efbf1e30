"""Makes PDFs of one text with every PDF producer on this machine, for benchmarks.text_quality.

    python -m benchmarks.producers TEXT.txt FOLDER [--words 25000] [--language en] [--only NAME]

TEXT has one paragraph to a line; FOLDER gets a NAME.pdf and a NAME.txt for each producer and style.
A line that begins with "# " is a heading; without any, short lines that end no sentence are.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from itertools import chain, pairwise
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["heading", "text", "quotation", "item", "verse"]

_PROSE = re.compile(r"[.!?:;,…。！？—”»\"]$")
_SENTENCES = re.compile(r"(?<=[.!?。])\s+(?=[^\W\d_a-zα-ωа-я])")
_RIGHT_TO_LEFT = {"ar", "he", "fa"}
_FONTS = {
    "ja": "Noto Serif CJK JP",
    "zh": "Noto Serif CJK SC",
    "ko": "Noto Serif CJK KR",
    "ar": "Noto Naskh Arabic",
}


class Block(NamedTuple):
    """A paragraph and how it is set."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Style:
    """How a book looks. All lengths are in points."""

    name: str
    size: float
    leading: float
    width: float
    height: float
    margin: float
    indent: float = 0.0
    """Of first lines."""
    gap: float = 0.0
    """Between paragraphs."""
    justified: bool = True
    """Which also hyphenates, where the producer can."""
    head: Literal["chapter", "title", ""] = ""
    foot: Literal["n", "- n -", "Page n of m", ""] = ""
    """Where it is empty, the head has the number."""
    drop_caps: bool = False
    contents: bool = False
    varied: bool = False
    """Whether some paragraphs are set as quotations, lists and verse."""


STYLES = (
    Style("novel", 10, 12.5, 360, 540, 45, indent=14, head="chapter", drop_caps=True),
    Style("report", 11, 14, 595, 842, 72, gap=7, justified=False, head="title", foot="Page n of m"),
    Style("manual", 12, 15, 612, 792, 80, indent=18, foot="- n -", contents=True, varied=True),
    Style("quarto", 11, 16, 430, 620, 50, indent=22, gap=4, head="title", foot="n", varied=True),
)


@dataclass(frozen=True)
class Book:
    """A text to be set."""

    title: str
    language: str
    blocks: list[Block]

    @property
    def font(self) -> str:
        return _FONTS.get(self.language, "DejaVu Serif")

    @property
    def headings(self) -> list[str]:
        return [block.text for block in self.blocks if block.kind == "heading"]

    def is_first(self, index: int) -> bool:
        """Whether a paragraph is the first of its chapter."""
        return self.blocks[index].kind == "text" and self.blocks[index - 1].kind == "heading"


def read_book(text: str, style: Style, language: str, num_words: int) -> Book:
    """The beginning of a text, cut after the paragraph that reaches ``num_words`` words."""
    paragraphs = [line.strip() for line in text.splitlines() if line.strip()]
    taken, words = 0, 0
    while taken < len(paragraphs) and words < num_words:
        # Text without spaces counts two letters as a word.
        words += max(len(paragraphs[taken].split()), len(paragraphs[taken]) // 12)
        taken += 1
    marked = any(line.startswith("# ") for line in paragraphs)
    blocks = []
    for before, line in pairwise(["", *paragraphs[:taken]]):
        is_title = not _PROSE.search(line) and len(line) < 60 and line[0].isupper()
        is_title = is_title and "," not in line
        ends = not before or _PROSE.search(before) is not None or before == paragraphs[0]
        is_heading = line.startswith("# ") if marked else is_title and ends
        blocks.append(Block("heading" if is_heading else "text", line.removeprefix("# ")))
    title = blocks[0].text if len(blocks[0].text) < 60 else "A Book of Samples"
    return Book(title, language, _varied(blocks) if style.varied else blocks)


def _varied(blocks: list[Block]) -> list[Block]:
    """Sets some long paragraphs as quotations, lists and verse."""
    varied: list[Block] = []
    kinds: tuple[Kind, ...] = ("quotation", "text", "item", "text", "verse", "text")
    number = 0
    for block in blocks:
        is_long = block.kind == "text" and len(block.text) > 250
        number += is_long
        if not is_long or number % 5 or len(varied) < 3 or varied[-1].kind == "heading":
            varied.append(block)
            continue
        kind = kinds[number // 5 % len(kinds)]
        if kind == "item":
            varied += [Block(kind, "• " + part) for part in _SENTENCES.split(block.text)]
        elif kind == "verse":
            words = block.text.split()
            lines = [" ".join(words[i : i + 6]) for i in range(0, len(words), 6)]
            varied += [Block(kind, line[0].upper() + line[1:]) for line in lines]
        else:
            varied.append(Block(kind, block.text))
    return varied


def _run(*command: str | Path, cwd: Path | None = None, stdin: str | None = None) -> bytes:
    """Runs a program and returns what it printed; its messages are shown only if it fails."""
    environment = {**os.environ, "QTWEBENGINE_CHROMIUM_FLAGS": "--no-sandbox"}
    environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        input=None if stdin is None else stdin.encode(),
        capture_output=True,
        env=environment,
        timeout=900,
    )
    if done.returncode:
        message = (done.stderr or done.stdout)[-600:].decode(errors="replace")
        raise RuntimeError(f"{command[0]} failed: {message}")
    return done.stdout


# HTML, for four producers.


def _html(book: Book, style: Style, page_css: str) -> str:
    direction = "rtl" if book.language in _RIGHT_TO_LEFT else "ltr"
    css = f"""
      @page {{ size: {style.width}pt {style.height}pt; margin: {style.margin}pt; }}
      {page_css}
      body {{ font: {style.size}pt/{style.leading}pt '{book.font}'; margin: 0;
              direction: {direction};
              text-align: {"justify" if style.justified else "start"};
              hyphens: {"auto" if style.justified else "manual"}; }}
      h1 {{ font-size: 1.5em; line-height: 1.3; text-align: center; hyphens: none;
            page-break-before: always; }}
      p {{ text-indent: {style.indent}pt; margin: 0 0 {style.gap}pt 0;
           orphans: 2; widows: 2; }}
      p.verse, p.quotation {{ margin: 0 3em; text-indent: 0; }}
      p.quotation {{ margin: 1em 3em; }}
      p.item {{ margin-left: 1.5em; text-indent: -1em; }}
      p.contents {{ text-indent: 0; }}
    """
    if style.drop_caps:
        css += "p.first { text-indent: 0; } p.first::first-letter {float: left; font-size: 3em;"
        css += " line-height: 0.85; padding-right: 2pt; }"
    body = []
    if style.contents:
        body.append("<p class=contents>Contents</p>")
        body += [f"<p class=contents>{escape(line)}</p>" for line in _contents(book)]
    for index, block in enumerate(book.blocks):
        text = escape(block.text)
        if block.kind == "heading":
            body.append(f"<h1>{text}</h1>")
        else:
            name = "first" if book.is_first(index) else block.kind
            body.append(f"<p class={name}>{text}</p>")
    return (
        f"<!doctype html><html lang={book.language}><meta charset=utf-8>"
        f"<title>{escape(book.title)}</title><style>{css}</style><body>" + "\n".join(body)
    )


def _contents(book: Book) -> list[str]:
    """A table of contents for producers that make none; its page numbers are made up."""
    return [f"{title} {'. ' * 20}{9 * i + 3}" for i, title in enumerate(book.headings)]


def _margin_boxes(book: Book, style: Style, chapter: str) -> str:
    """Running heads and feet in the language of CSS Paged Media."""
    number = {
        "n": "counter(page)",
        "- n -": "'- ' counter(page) ' -'",
        "Page n of m": "'Page ' counter(page) ' of ' counter(pages)",
    }
    title = '"' + book.title.replace('"', "") + '"'
    css = ""
    if style.foot:
        css += f"@page {{ @bottom-center {{ content: {number[style.foot]}; }} }}"
        if style.head:
            css += f"@page {{ @top-center {{ content: {title}; font-style: italic; }} }}"
    elif style.head:
        css += f"@page :left {{ @top-left {{ content: counter(page) '  ' {title}; }} }}"
        css += f"@page :right {{ @top-right {{ content: {chapter} '  ' counter(page); }} }}"
    return css


def weasyprint(book: Book, style: Style, path: Path) -> None:
    import weasyprint

    page_css = (
        _margin_boxes(book, style, "string(chapter)") + "h1 { string-set: chapter content() }"
    )
    weasyprint.HTML(string=_html(book, style, page_css)).write_pdf(path)


def chromium(book: Book, style: Style, path: Path) -> None:
    source = path.with_suffix(".html")
    source.write_text(_html(book, style, _margin_boxes(book, style, '"A Part of It"')))
    program = shutil.which("chromium") or "google-chrome"
    options = ["--headless", "--no-sandbox", "--disable-gpu"]
    if style.head or style.foot:
        options.append("--no-pdf-header-footer")  # else the date, the title and the address
    _run(program, *options, f"--print-to-pdf={path}", source.resolve().as_uri())


def wkhtmltopdf(book: Book, style: Style, path: Path) -> None:
    """The version without a patched Qt, which sets no heads."""
    source = path.with_suffix(".html")
    source.write_text(_html(book, style, ""))
    lengths = {"page-width": style.width, "page-height": style.height}
    lengths |= {f"margin-{side}": style.margin for side in ("top", "bottom", "left", "right")}
    options = [(f"--{name}", f"{points * 25.4 / 72:.1f}mm") for name, points in lengths.items()]
    _run("wkhtmltopdf", "--quiet", *chain(*options), source, path)


def calibre(book: Book, style: Style, path: Path) -> None:
    source = path.with_suffix(".html")
    source.write_text(_html(book, style, ""))
    number = style.foot.replace("n", "_PAGENUM_", 1).replace("m", "_TOTAL_PAGES_")
    if style.foot == "Page n of m":
        number = "Page _PAGENUM_ of _TOTAL_PAGES_"
    head = {"chapter": "_SECTION_ &nbsp; _PAGENUM_", "title": "_TITLE_", "": ""}[style.head]
    box = "<div style='width:100%; text-align:center; font-size:10px'>{}</div>"
    options = [f"--custom-size={style.width}x{style.height}", "--unit=point"]
    options += [
        f"--pdf-page-margin-{side}={style.margin}" for side in ("top", "bottom", "left", "right")
    ]
    options += [f"--pdf-header-template={box.format(head)}"] if head else []
    options += [f"--pdf-footer-template={box.format(number)}"] if number else []
    options += [f"--base-font-size={style.size}", "--chapter=//h:h1", "--disable-font-rescaling"]
    _run("ebook-convert", source, path, *options)


# Formatters of their own.


def fop(book: Book, style: Style, path: Path) -> None:
    number = "<fo:page-number/>"
    head = {"chapter": "<fo:retrieve-marker retrieve-class-name='chapter'/>", "": ""}.get(
        style.head, escape(book.title)
    )
    if style.head and not style.foot:
        head += "&#160;&#160;" + number
    foot = style.foot
    if foot == "Page n of m":
        foot = f"Page {number} of <fo:page-number-citation ref-id='end'/>"
    else:
        foot = foot.replace("n", number)
    align = "justify" if style.justified else "start"
    body = []
    for i, title in enumerate(book.headings if style.contents else []):
        body.append(
            f"<fo:block text-align-last='justify'>{escape(title)}<fo:leader"
            f" leader-pattern='dots'/><fo:page-number-citation ref-id='h{i}'/></fo:block>"
        )
    headings = 0
    for block in book.blocks:
        text = escape(block.text)
        if block.kind == "heading":
            body.append(
                f"<fo:block id='h{headings}' break-before='page' font-size='150%'"
                f" space-after='20pt' keep-with-next='always' text-align='center'><fo:marker"
                f" marker-class-name='chapter'>{text}</fo:marker>{text}</fo:block>"
            )
            headings += 1
        else:
            sides = {"quotation": 36, "verse": 36, "item": 12}.get(block.kind, 0)
            indent = {"text": style.indent, "item": -10}.get(block.kind, 0)
            gap = 8 if block.kind == "quotation" else style.gap
            body.append(
                f"<fo:block start-indent='{sides}pt' text-indent='{indent}pt'"
                f" space-after='{gap}pt' space-before='{gap}pt'>{text}</fo:block>"
            )
    m = style.margin
    source = path.with_suffix(".fo")
    source.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<fo:root xmlns:fo="http://www.w3.org/1999/XSL/Format"><fo:layout-master-set>
<fo:simple-page-master master-name="p" page-width="{style.width}pt" page-height="{style.height}pt">
<fo:region-body margin="{m}pt"/><fo:region-before extent="{m - 8}pt" display-align="after"/>
<fo:region-after extent="{m - 8}pt"/></fo:simple-page-master></fo:layout-master-set>
<fo:page-sequence master-reference="p" language="{book.language}" font-family="{book.font}"
 font-size="{style.size}pt" line-height="{style.leading}pt" text-align="{align}" hyphenate="true">
<fo:static-content flow-name="xsl-region-before"><fo:block text-align="center">{head}</fo:block>
</fo:static-content><fo:static-content flow-name="xsl-region-after"><fo:block text-align="center">
{foot}</fo:block></fo:static-content><fo:flow flow-name="xsl-region-body">{"".join(body)}
<fo:block id="end"/></fo:flow></fo:page-sequence></fo:root>"""
    )
    config = path.with_suffix(".xconf")
    config.write_text(
        "<fop version='1.0'><renderers><renderer mime='application/pdf'><fonts><auto-detect/>"
        "</fonts></renderer></renderers></fop>"
    )
    _run("fop", "-q", "-c", config, "-fo", source, "-pdf", path)


def reportlab(book: Book, style: Style, path: Path) -> None:
    from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY, TA_LEFT
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

    text = ParagraphStyle(
        "text",
        fontName="Times-Roman",
        fontSize=style.size,
        leading=style.leading,
        firstLineIndent=style.indent,
        spaceAfter=style.gap,
        alignment=TA_JUSTIFY if style.justified else TA_LEFT,
        allowWidows=0,
    )
    set_in = {"leftIndent": 30, "firstLineIndent": 0}
    styles = {
        "text": text,
        "heading": ParagraphStyle("h", text, fontSize=18, leading=24, alignment=TA_CENTER),
        "quotation": ParagraphStyle("q", text, rightIndent=30, spaceAfter=8, **set_in),
        "verse": ParagraphStyle("v", text, **set_in),
        "item": ParagraphStyle("i", text, leftIndent=14, firstLineIndent=-10),
    }
    story: list[object] = []
    for line in _contents(book) if style.contents else []:
        story.append(Paragraph(escape(line), text))
    for block in book.blocks:
        if block.kind == "heading" and story:
            story.append(PageBreak())
        story.append(Paragraph(escape(block.text), styles[block.kind]))

    def draw_edges(canvas: object, document: object) -> None:
        canvas.setFont("Times-Italic", 9)
        number = canvas.getPageNumber()
        foot = {"n": f"{number}", "- n -": f"- {number} -", "": ""}.get(
            style.foot, f"Page {number} of 99"
        )
        canvas.drawCentredString(style.width / 2, style.margin - 20, foot)
        if style.head:
            head = book.title + ("" if style.foot else f"   {number}")
            canvas.drawString(style.margin, style.height - style.margin + 12, head)

    sides = dict.fromkeys(
        ("leftMargin", "rightMargin", "topMargin", "bottomMargin"), style.margin - 6
    )
    document = SimpleDocTemplate(str(path), pagesize=(style.width, style.height), **sides)
    document.build(story, onFirstPage=draw_edges, onLaterPages=draw_edges)


def libreoffice(book: Book, style: Style, path: Path) -> None:
    source = path.with_suffix(".fodt")
    source.write_text(_open_document(book, style))
    profile = f"-env:UserInstallation={(path.parent / 'profile').resolve().as_uri()}"
    to_pdf = ("--infilter=OpenDocument Text Flat XML", "--convert-to", "pdf")
    _run("soffice", profile, "--headless", *to_pdf, source.name, cwd=path.parent)


def _open_document(book: Book, style: Style) -> str:
    """A whole OpenDocument text in one file of XML."""
    uris = {"office": "office", "style": "style", "text": "text", "fo": "xsl-fo-compatible"}
    spaces = "".join(
        f" xmlns:{name}='urn:oasis:names:tc:opendocument:xmlns:{uri}:1.0'"
        for name, uri in uris.items()
    )
    body = [f"<text:p>{escape(line)}</text:p>" for line in _contents(book) if style.contents]
    for index, block in enumerate(book.blocks):
        text = escape(block.text)
        if block.kind == "heading":
            body.append(f"<text:h text:style-name='heading' text:outline-level='1'>{text}</text:h>")
        else:
            name = "first" if style.drop_caps and book.is_first(index) else block.kind
            body.append(f"<text:p text:style-name='{name}'>{text}</text:p>")
    return (
        f"<?xml version='1.0' encoding='utf-8'?><office:document{spaces} office:version='1.2'"
        " office:mimetype='application/vnd.oasis.opendocument.text'>"
        f"<office:styles>{_open_document_styles(book, style)}</office:styles>"
        f"{_open_document_page(book, style)}"
        f"<office:body><office:text>{''.join(body)}</office:text></office:body></office:document>"
    )


def _open_document_styles(book: Book, style: Style) -> str:
    """The styles of paragraphs."""
    country = {"en": "US", "ja": "JP", "zh": "CN"}.get(book.language, book.language.upper())
    script = "-asian" if book.language in ("ja", "zh", "ko") else ""
    space = "style" if script else "fo"
    font = (
        f"fo:font-family='{book.font}' fo:font-size='{style.size}pt'"
        f" fo:hyphenate='{str(style.justified).lower()}'"
        f" {space}:language{script}='{book.language}' {space}:country{script}='{country}'"
    )
    for other in ("-asian", "-complex"):
        font += f" style:font-family{other}='{book.font}' style:font-size{other}='{style.size}pt'"
    shape = (
        f"fo:line-height='{style.leading}pt'"
        f" fo:text-align='{'justify' if style.justified else 'start'}'"
        f" style:writing-mode='{'rl-tb' if book.language in _RIGHT_TO_LEFT else 'lr-tb'}'"
    )

    def paragraph(name: str, margin: float, indent: float, gap: float, inside: str = "") -> str:
        return (
            f"<style:style style:name='{name}' style:family='paragraph'>"
            f"<style:paragraph-properties fo:margin-left='{margin}pt' fo:text-indent='{indent}pt'"
            f" fo:margin-bottom='{gap}pt' {shape}>{inside}</style:paragraph-properties>"
            f"<style:text-properties {font}/></style:style>"
        )

    initial = "<style:drop-cap style:lines='3' style:length='1' style:distance='2pt'/>"
    return (
        paragraph("text", 0, style.indent, style.gap)
        + paragraph("first", 0, 0, style.gap, initial)
        + paragraph("quotation", 36, 0, 8)
        + paragraph("verse", 36, 0, 0)
        + paragraph("item", 14, -10, style.gap)
        + "<style:style style:name='heading' style:family='paragraph'><style:paragraph-properties"
        " fo:break-before='page' fo:margin-bottom='20pt' fo:text-align='center'/>"
        "<style:text-properties fo:font-size='18pt' fo:font-weight='bold'/></style:style>"
    )


def _open_document_page(book: Book, style: Style) -> str:
    """The layout of pages, with their heads and feet."""
    number = "<text:page-number text:select-page='current'/>"
    chapter = "<text:chapter text:display='name' text:outline-level='1'/>"
    right = {"chapter": chapter, "title": escape(book.title), "": ""}[style.head]
    left = right
    if style.head and not style.foot:
        left, right = f"{number}<text:tab/>{escape(book.title)}", f"{right}<text:tab/>{number}"
    foot = style.foot.replace("n", number)
    if style.foot == "Page n of m":
        foot = f"Page {number} of <text:page-count/>"
    edges = "".join(
        f"<style:{name}><text:p>{content}</text:p></style:{name}>"
        for name, content in (("header", right), ("header-left", left), ("footer", foot))
        if content
    )
    edge = "<style:header-footer-properties fo:min-height='20pt'/>"
    upright, sideways = f"{style.margin - 20}pt", f"{style.margin}pt"
    return (
        "<office:automatic-styles><style:page-layout style:name='page' style:page-usage='all'>"
        f"<style:page-layout-properties fo:page-width='{style.width}pt'"
        f" fo:page-height='{style.height}pt' fo:margin-top='{upright}' fo:margin-bottom='{upright}'"
        f" fo:margin-left='{sideways}' fo:margin-right='{sideways}'/>"
        f"<style:header-style>{edge}</style:header-style>"
        f"<style:footer-style>{edge}</style:footer-style></style:page-layout>"
        "</office:automatic-styles><office:master-styles><style:master-page"
        f" style:name='Standard' style:page-layout-name='page'>{edges}</style:master-page>"
        "</office:master-styles>"
    )


# Typesetters.


def groff(book: Book, style: Style, path: Path) -> None:
    page = f"-P-p{style.height / 72:.3f}i,{style.width / 72:.3f}i"
    output = _run("groff", "-Kutf8", "-ms", "-Tpdf", page, stdin=_roff(book, style))
    path.write_bytes(output)


def groff_ghostscript(book: Book, style: Style, path: Path) -> None:
    page = f"-P-p{style.height / 72:.3f}i,{style.width / 72:.3f}i"
    postscript = path.with_suffix(".ps")
    postscript.write_bytes(_run("groff", "-Kutf8", "-ms", "-Tps", page, stdin=_roff(book, style)))
    size = [
        f"-dDEVICEWIDTHPOINTS={style.width:.0f}",
        f"-dDEVICEHEIGHTPOINTS={style.height:.0f}",
    ]
    _run("ps2pdf", *size, postscript, path)


def _roff(book: Book, style: Style) -> str:
    """A manuscript for groff's macros ms."""
    foot = style.foot.replace("Page n of m", "Page % of 99").replace("n", "%")
    lines = [
        f".pl {style.height}p",
        f".nr PS {style.size:g}",
        f".nr VS {style.leading:g}",
        f".nr LL {style.width - 2 * style.margin}p",
        f".nr PO {style.margin}p",
        f".nr HM {style.margin}p",
        f".nr FM {style.margin}p",
        f".nr PI {style.indent}p",
        f".nr PD {style.gap}p",
        f".nr HY {int(style.justified)}",
        ".P1",
        ".ds LH",
        ".ds RH " + ("%" if style.head and not style.foot else ""),
        ".ds CH " + (book.title if style.head else ""),
        ".ds CF " + foot,
        "" if style.justified else ".ad l",
    ]
    macros = {"text": ".PP" if style.indent else ".LP", "verse": ".LP", "item": ".LP"}
    for block in book.blocks:
        text = block.text.replace("\\", "\\e")
        if block.kind == "heading":
            lines += [".bp", ".LP", ".ce 1", f"\\s+6{text}\\s0", ".sp 2"]
            if style.head == "chapter":
                lines.append(f".ds CH {text}")
        elif block.kind == "quotation":
            lines += [".QP", "\\&" + text]
        else:
            lines += [macros[block.kind], "\\&" + text]
    return "\n".join(filter(None, lines)) + "\n"


def pdflatex(book: Book, style: Style, path: Path) -> None:
    _latex("pdflatex", book, style, path)


def xelatex(book: Book, style: Style, path: Path) -> None:
    _latex("xelatex", book, style, path)


def latex_ghostscript(book: Book, style: Style, path: Path) -> None:
    """LaTeX to DVI to PostScript to PDF."""
    _latex("latex", book, style, path)
    _run("dvips", "-q", f"{path.stem}.dvi", cwd=path.parent)
    _run("ps2pdf", f"{path.stem}.ps", path.name, cwd=path.parent)


def redistilled(book: Book, style: Style, path: Path) -> None:
    """LaTeX's PDF, written anew by Ghostscript."""
    first = path.with_name(f"{path.stem}-first.pdf")
    _latex("pdflatex", book, style, first)
    _run("gs", "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite", "-o", path, first)
    first.unlink()


def _latex(program: str, book: Book, style: Style, path: Path) -> None:
    source = path.with_suffix(".tex")
    source.write_text(_tex(book, style, program))
    for _ in range(2):  # the second time knows the page numbers
        _run(program, "-interaction=batchmode", source.name, cwd=path.parent)


def _tex(book: Book, style: Style, program: str) -> str:
    def tex(text: str) -> str:
        text = re.sub(r"([#$%&_{}])", r"\\\1", text.replace("\\", "/"))
        return text.replace("~", r"\textasciitilde{}").replace("^", r"\textasciicircum{}")

    foot = {"n": r"\thepage", "- n -": r"-- \thepage\ --", "": ""}.get(
        style.foot, r"Page \thepage\ of \pageref{end}"
    )
    head = {"title": tex(book.title), "chapter": r"\leftmark", "": ""}[style.head]
    if style.head and not style.foot:
        head += r"\hfil\thepage"
    fonts = r"\usepackage[T1]{fontenc}\usepackage{lmodern}\usepackage{textcomp}"
    if program == "xelatex":
        fonts = rf"\usepackage{{fontspec}}\setmainfont{{{book.font}}}"
    lines = [
        r"\documentclass[10pt]{book}",
        fonts,
        rf"\usepackage[paperwidth={style.width}bp,paperheight={style.height}bp,"
        rf"margin={style.margin}bp,headsep=10bp]{{geometry}}",
        r"\usepackage{lettrine,ragged2e}",
        r"\makeatletter\def\ps@ours{"
        rf"\def\@oddhead{{{head}}}\let\@evenhead\@oddhead"
        rf"\def\@oddfoot{{\hfil {foot}\hfil}}\let\@evenfoot\@oddfoot"
        r"\def\chaptermark##1{\markboth{##1}{##1}}}\makeatother",
        rf"\begin{{document}}\fontsize{{{style.size}bp}}{{{style.leading}bp}}\selectfont",
        rf"\pagestyle{{ours}}\parindent={style.indent}bp\parskip={style.gap}bp\emergencystretch=2em",
        "" if style.justified else r"\RaggedRight\parindent=0bp",
        r"\frontmatter\tableofcontents\mainmatter" if style.contents else "",
        r"\setcounter{secnumdepth}{-2}",
    ]
    for index, block in enumerate(book.blocks):
        text = tex(block.text)
        if block.kind == "heading":
            lines.append(rf"\chapter{{{text}}}")
        elif block.kind == "quotation":
            lines.append(rf"\begin{{quote}}{text}\end{{quote}}")
        elif block.kind in ("verse", "item"):
            shape = r"\leftskip=30bp" if block.kind == "verse" else r"\hangindent=12bp"
            lines.append(rf"{{{shape}\noindent {text}\par}}")
        elif style.drop_caps and book.is_first(index) and text[0].isalpha():
            word, _, rest = text.partition(" ")
            lines.append(rf"\lettrine{{{word[0]}}}{{{word[1:]}}} {rest}")
        else:
            lines.append(text)
        lines.append("")
    return "\n".join([*lines, r"\label{end}\end{document}"])


class Producer(NamedTuple):
    """A way to a PDF and what has to be installed for it."""

    write: Callable[[Book, Style, Path], None]
    programs: tuple[str, ...] = ()
    package: str = ""
    latin_only: bool = False

    @property
    def missing(self) -> str:
        """What is not installed, or an empty string."""
        missing = [program for program in self.programs if shutil.which(program) is None]
        if self.package and find_spec(self.package) is None:
            missing.append(f"the Python package {self.package}")
        return ", ".join(missing)


PRODUCERS = {
    "libreoffice": Producer(libreoffice, ("soffice",)),
    "chromium": Producer(chromium, ("chromium",)),
    "fop": Producer(fop, ("fop",)),
    "weasyprint": Producer(weasyprint, package="weasyprint"),
    "calibre": Producer(calibre, ("ebook-convert",)),
    "reportlab": Producer(reportlab, package="reportlab", latin_only=True),
    "wkhtmltopdf": Producer(wkhtmltopdf, ("wkhtmltopdf",)),
    "groff": Producer(groff, ("groff",), latin_only=True),
    "pdflatex": Producer(pdflatex, ("pdflatex",), latin_only=True),
    "xelatex": Producer(xelatex, ("xelatex",)),
    "groff-gs": Producer(groff_ghostscript, ("groff", "ps2pdf"), latin_only=True),
    "latex-gs": Producer(latex_ghostscript, ("latex", "dvips", "ps2pdf"), latin_only=True),
    "redistilled": Producer(redistilled, ("pdflatex", "gs"), latin_only=True),
}


def main() -> None:
    """Writes the pairs, and says which producers are not on this machine."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("text", type=Path, help="one paragraph to a line")
    parser.add_argument("folder", type=Path, help="where the pairs go")
    parser.add_argument("--words", type=int, default=25_000, help="of the text that are taken")
    parser.add_argument("--language", default="en", help="such as de or ja")
    parser.add_argument("--only", nargs="+", default=list(PRODUCERS), metavar="NAME")
    parser.add_argument("--styles", nargs="+", default=[style.name for style in STYLES])
    arguments = parser.parse_args()
    text = arguments.text.read_text(encoding="utf-8")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        producer = PRODUCERS[name]
        if producer.missing:
            print(f"{name}: left out, not installed: {producer.missing}", file=sys.stderr)
            continue
        if producer.latin_only and arguments.language in ("ja", "zh", "ko", "ar", "ru", "el"):
            print(f"{name}: left out, has no fonts for {arguments.language}", file=sys.stderr)
            continue
        for style in STYLES:
            if style.name not in arguments.styles:
                continue
            book = read_book(text, style, arguments.language, arguments.words)
            path = (arguments.folder / f"{name}-{style.name}.pdf").resolve()
            try:
                producer.write(book, style, path)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                print(f"{path.stem}: {error}", file=sys.stderr)
                continue
            truth = "\n\n".join(block.text for block in book.blocks)
            path.with_suffix(".txt").write_text(truth + "\n", encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
