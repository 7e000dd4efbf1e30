"""HTML gives its headings, paragraphs, items, code and tables, and nothing else of the page."""

import pytest

from qwen_pl.data.cleaning.clean_text import EVERY_STEP
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.texts.html_groups import html_groups
from qwen_pl.data.texts.line_groups import clean_groups


def written(html: str) -> str:
    text = ""
    for paragraph in clean_groups(html_groups(html), EVERY_STEP).paragraphs:
        text += "\n" * paragraph.newlines * bool(text) + paragraph.text
    return text


PAGES = {
    "spaces": ("<p>One  &amp;\n two<b>th</b>ree&nbsp;x</p>\n text", "One & twothree x\n\ntext"),
    "ends that are left out": ("<p>a<p>b<ul><li>c<li>d</ul>e", "a\n\nb\n\n- c\n- d\n\ne"),
    "headings": ("<h1>A</h1>b<h2>C</h2>", "A\n\nb\n\nC"),
    "lists": (
        "<ol start=3><li>c<ul><li><p>d</p><p>e</p></li></ul><li>f</ol><ol><li>g</ol>",
        "3. c\n  - d\n\n    e\n\n4. f\n\n1. g",
    ),
    "code": ("<pre>\nif x:\n\n\n  <b>y</b> &lt; z\n</pre>", "if x:\n\n\n  y < z"),
    "code with numbers": (
        "<table><tr><td class='linenos'><pre>1\n2</pre></td><td><pre>a\n b</pre></table>",
        "a\n b",
    ),
    "verse": ("<p>Roses<br>are red<br/><br>Violets", "Roses\nare red\n\nViolets"),
    "a table": (
        "<table><caption>C</caption><tr><th>n<th>v</tr><tr><td>a<td><p>1</p> <p>2</table>x",
        "C\n\nn | v\na | 1 2\n\nx",
    ),
    "a table that sets the page": (
        "<table><tr><td><h1>A</h1>b<td><table><tr><td>1<td>2</table></table>",
        "A\n\nb\n\n1 | 2",
    ),
    "scripts": (
        "<title>T</title><script>if (a<b) '</p>'</script><style>p{}</style>a<noscript>n</noscript>",
        "a",
    ),
    "navigation": ("<nav><ul><li>Home</nav><div role=navigation>x<div>y</div></div><p>a", "a"),
    "hidden": (
        "<div hidden>x</div><div style='display: none'>y</div>a<p>b",
        "a\n\nb",
    ),
    "the main part": (
        "<header>Log in</header>x<main><header><h1>A</h1></header>b</main><footer>c</footer>",
        "A\n\nb",
    ),
    "an empty main part": ("<main></main><p>a", "a"),
    "a header alone": ("<header><h1>A</h1></header><p>b", "A\n\nb"),
    "raised and lowered": ("x<sup>2</sup> H<sub>2</sub>O a<sup>th</sup>", "x² H₂O ath"),
    "calls of notes": (
        'a<sup><a href="#f">1</a></sup> b<a href="#f"><sup>[2]</sup></a> <p>1. n <a href="#">↩</a>',
        "a b\n\n1. n",
    ),
    "comments": ("a<!-- <p> -- > x -->b<!-->c", "ab"),
    "not closed": ("<p>a<b title='x>y'>b</b> 1 < 2 <i", "ab 1 < 2"),
    "readings": ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字", "漢字"),
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_gives_its_text(kind: str) -> None:
    html, text = PAGES[kind]
    assert written(html) == text


def test_empty_elements_of_xhtml_end_themselves() -> None:
    begin = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><title/><script/>'
    assert written(begin + '<p>a<a id="x"/><![CDATA[<b>]]></p>') == "a<b>"
    assert written("<script/>a</script>b") == "b"


def test_each_block_has_its_role() -> None:
    html = "<h2>a</h2>b<ul><li>c</ul><pre>d</pre><table><tr><td>1<td>2</table><figcaption>e"
    assert [(group.role, group.level) for group in html_groups(html)] == [
        (Role.HEADING, 2),
        (Role.PROSE, 0),
        (Role.ITEM, 1),
        (Role.CODE, 0),
        (Role.TABLE, 0),
        (Role.CAPTION, 0),
    ]
