"""Small PDFs that ask for much: a maker for each kind of attack gives the content of one.

The tests read them within small limits, and `benchmarks.attacks` within those of a user.
"""

import zlib
from collections.abc import Callable, Iterable

Objects = dict[int, bytes]

_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
_SHOWN = b"BT /F1 12 Tf 72 720 Td (all well) Tj ET "
_RESOURCES = b"<< /Font << /F1 3 0 R >> >>"
_WITH_FORM = b"<< /Font << /F1 3 0 R >> /XObject << /X 1000 0 R >> >>"
_PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources %b /Contents %b >>"


def _pdf_file(objects: Objects, trailer: bytes = b"") -> bytes:
    """A whole file of numbered objects, of which the first is the catalog."""
    parts = [b"%PDF-1.7\n"]
    table, place = [b"xref\n0 1\n0000000000 65535 f \n"], len(parts[0])
    for number, body in objects.items():
        table.append(b"%d 1\n%010d 00000 n \n" % (number, place))
        parts.append(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        place += len(parts[-1])
    end = b"trailer\n<< /Size %d /Root 1 0 R %b >>\n" % (max(objects) + 1, trailer)
    return b"".join([*parts, *table, end, b"startxref\n%d\n%%%%EOF\n" % place])


def _stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(data), entries, data)


def _packed(data: bytes, entries: bytes = b"") -> bytes:
    return _stream(zlib.compress(data, 1), b"/Filter /FlateDecode " + entries)


def _file(
    content: bytes | list[bytes],
    more: Objects | None = None,
    resources: bytes = _RESOURCES,
    font: bytes = _FONT,
) -> bytes:
    """A page for each content, given as a stream; other objects have numbers from 1000 on."""
    contents = content if isinstance(content, list) else [content]
    kids = b" ".join(b"%d 0 R" % (10 + 2 * i) for i in range(len(contents)))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(contents), kids),
        3: font,
    }
    for i, body in enumerate(contents):
        objects[10 + 2 * i] = _PAGE % (resources, b"%d 0 R" % (11 + 2 * i))
        objects[11 + 2 * i] = body
    return _pdf_file(objects | (more or {}))


def _tree(nodes: Objects, root: int = 2, trailer: bytes = b"") -> bytes:
    """A file with that tree of pages; object 10 is a page with text."""
    catalog = b"<< /Type /Catalog /Pages %d 0 R >>" % root
    page = {10: _PAGE % (_RESOURCES, b"11 0 R"), 11: _stream(_SHOWN)}
    return _pdf_file({1: catalog, 3: _FONT} | page | nodes, trailer)


def _kids(kids: Iterable[int], count: int) -> bytes:
    numbers = b" ".join(b"%d 0 R" % kid for kid in kids)
    return b"<< /Type /Pages /Count %d /Kids [%b] >>" % (count, numbers)


def _form(content: bytes, resources: bytes, more: bytes = b"") -> bytes:
    entries = b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources " + resources
    return _stream(content, entries + more)


def nested_forms(pages: int = 1, levels: int = 30, times: int = 2) -> bytes:
    """Forms that each show the next one twice: 2^30 of them; the last one has text."""
    more = {1000 + levels: _form(b"1 0 0 1 0 -20 cm " + _SHOWN, _RESOURCES)}
    for level in range(levels):
        named = b"<< /XObject << /X %d 0 R >> >>" % (1001 + level)
        more[1000 + level] = _form(b"/X Do " * times, named)
    return _file([_stream(_SHOWN + b"/X Do")] * pages, more, _WITH_FORM)


def many_forms() -> bytes:
    """One form with much text, shown 50,000 times."""
    more = {1000: _form(_SHOWN * 200, _RESOURCES)}
    return _file(_packed(b"/X Do " * 50_000), more, _WITH_FORM)


def much_packed_form() -> bytes:
    """A form that is packed 20 times, beside one that is not there."""
    form = _form(_SHOWN, _RESOURCES, b" /Filter [" + b"/ASCIIHexDecode " * 20 + b"]")
    return _file(_stream(_SHOWN + b"/X Do /Y Do"), {1000: form}, _WITH_FORM)


def form_in_itself() -> bytes:
    """A form that shows itself, by way of another one."""
    named = b"<< /Font << /F1 3 0 R >> /XObject << /X 1000 0 R /Y 1001 0 R >> >>"
    both = b"/X Do /Y Do /X Do /Y Do"
    more = {1000: _form(both, named), 1001: _form(both, named)}
    return _file(_stream(_SHOWN + both), more, named)


def glyph_in_itself() -> bytes:
    """A Type 3 font whose glyph is drawn with the same font, twice."""
    glyph = b"1000 0 d0 BT /F1 1 Tf (aa) Tj ET"
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] /FontMatrix [1 0 0 1 0 0]"
        b" /CharProcs << /a 1000 0 R >> /Encoding << /Differences [97 /a] >> /FirstChar 97"
        b" /LastChar 97 /Widths [1] /Resources << /Font << /F1 3 0 R >> >> >>"
    )
    return _file(_stream(b"BT /F1 9 Tf 9 9 Td (aaaa) Tj ET"), {1000: _stream(glyph)}, font=font)


def circular_kids() -> bytes:
    """A tree of pages that is its own child."""
    return _tree({2: _kids([2, 10, 4, 2], 4), 4: _kids([2, 4, 10], 3)})


def shared_kids() -> bytes:
    """Ten levels of ten children, which are always the same: 10^10 pages."""
    nodes = {20 + level: _kids([21 + level] * 10, 10 ** (10 - level)) for level in range(10)}
    return _tree(nodes | {30: _kids([10], 1)}, root=20)


def deep_tree() -> bytes:
    """A page beneath 20,000 nodes."""
    nodes = {20 + level: _kids([21 + level], 1) for level in range(20_000)}
    return _tree(nodes | {20_020: _kids([10], 1)}, root=20)


def many_pages() -> bytes:
    """A million pages in a packed list, which are all the same."""
    body = _kids([10] * 1_000_000, 1_000_000)
    return _object_stream(b"2 0 ", body)


def count_lies(count: int = 10**12) -> bytes:
    """A page that is said to be more than are on earth."""
    return _tree({2: _kids([10], count)})


def negative_count() -> bytes:
    """A page that is said to be less than none."""
    return count_lies(-(2**31))


def circular_entries() -> bytes:
    """A page whose parent, resources, fonts and contents lead back to themselves."""
    page = b"<< /Type /Page /Parent 10 0 R /Resources 20 0 R /Contents [21 0 R 22 0 R 11 0 R] >>"
    nodes = {
        2: _kids([10], 1),
        10: page,
        20: b"<< /Font 20 0 R /F1 20 0 R /XObject 20 0 R /X 20 0 R /Resources 20 0 R >>",
        21: b"22 0 R",
        22: b"21 0 R",
    }
    return _tree(nodes)


def many_contents() -> bytes:
    """A page that is 20,000 times the same packed megabyte."""
    content = b"[" + b"1000 0 R " * 20_000 + b"]"
    return _file(content, {1000: _packed(_SHOWN * 25_000)})


def flate_bomb() -> bytes:
    """Packed twice, some kilobytes become 500 MB of operators."""
    packer, block = zlib.compressobj(1), b"q Q " * (1 << 20)
    once = b"".join([packer.compress(block) for _ in range(125)]) + packer.flush()
    return _file(_stream(zlib.compress(once, 9), b"/Filter [/FlateDecode /FlateDecode]"))


def run_length_bomb() -> bytes:
    """Two bytes become 128 blanks, packed before that."""
    runs = b"\x81 " * (8 << 20) + b"\x80"
    return _file(_stream(zlib.compress(runs, 9), b"/Filter [/FlateDecode /RunLengthDecode]"))


def lzw_bomb() -> bytes:
    """Codes of LZW, packed, that each stand for as many bytes as can be."""
    bits, width, codes = [], 9, 258
    bits.append(f"{256:09b}{32:09b}")
    while codes < 4094:
        width = 9 + (codes >= 511) + (codes >= 1023) + (codes >= 2047)
        bits.append(f"{codes:0{width}b}")
        codes += 1
    table = "".join(bits)
    table += "0" * (-len(table) % 8)
    data = int(table, 2).to_bytes(len(table) // 8, "big") * 400
    return _file(_stream(zlib.compress(data, 9), b"/Filter [/FlateDecode /LZWDecode]"))


def many_filters() -> bytes:
    """A hundred filters of each kind, one after the other."""
    names = [b"ASCIIHexDecode", b"ASCII85Decode", b"RunLengthDecode", b"LZWDecode", b"FlateDecode"]
    chain = b" ".join(b"/" + name for name in names for _ in range(100))
    return _file(_stream(b"00" * 50_000 + b">", b"/Filter [%b]" % chain))


def wide_predictor() -> bytes:
    """A predictor with rows that are wider than any memory."""
    params = b"/DecodeParms << /Predictor 15 /Columns 2147483647 /Colors 32 /BitsPerComponent 16 >>"
    return _file(_packed(_SHOWN * 1000, params))


def _object_stream(header: bytes, body: bytes, pages: bytes = b"2 0 R") -> bytes:
    """A file with one packed object in a stream, which only a packed table leads to."""
    catalog = b"<< /Type /Catalog /Pages %b >>" % pages
    inner = _packed(header + body, b"/Type /ObjStm /N 1 /First %d" % len(header))
    objects = {1: catalog, 3: _FONT, 4: inner, 10: _PAGE % (_RESOURCES, b"11 0 R")}
    objects[11] = _stream(_SHOWN)
    out, rows = b"%PDF-1.7\n", {0: (0, 0, 0), 2: (2, 4, 0)}
    for number, content in objects.items():
        rows[number] = (1, len(out), 0)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    rows[12] = (1, len(out), 0)
    table = b"".join(
        bytes([kind]) + place.to_bytes(4, "big") + bytes([generation])
        for kind, place, generation in (rows.get(number, (0, 0, 0)) for number in range(13))
    )
    entries = b"/Type /XRef /Size 13 /W [1 4 1] /Root 1 0 R"
    return out + b"12 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (
        _packed(table, entries),
        len(out),
    )


def object_stream_bomb() -> bytes:
    """The list of pages stands behind 250 MB of blanks, packed."""
    return _object_stream(b"2 %d " % (1 << 28), b" " * (1 << 28) + _kids([10], 1))


def table_of_nothing() -> bytes:
    """A packed table whose entries take no bytes, so that it may have any number."""
    head = b"%PDF-1.7\n"
    table = b"/Type /XRef /Size 2000000000 /Index [0 2000000000] /W [0 0 0] /Root 1 0 R"
    return head + b"1 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (
        _packed(b"", table),
        len(head),
    )


def circular_tables() -> bytes:
    """Tables of objects that each name the other one as the one before."""
    whole = _tree({2: _kids([10], 1)})
    first = int(whole.split(b"startxref\n")[1].split()[0])
    body = whole[: whole.index(b"trailer")]
    trailer = b"trailer\n<< /Size 12 /Root 1 0 R /Prev %d >>\n"
    second = len(body) + len(trailer % 0) + 20
    body = (body + trailer % second).ljust(second)
    body += b"xref\n0 1\n0000000000 65535 f \n" + trailer % first
    return body + b"startxref\n%d\n%%%%EOF\n" % second


def chained_tables() -> bytes:
    """Ten thousand tables of objects, each before the next."""
    whole = _tree({2: _kids([10], 1)})
    parts, before = [whole], int(whole.split(b"startxref\n")[1].split()[0])
    place = len(whole)
    for _ in range(10_000):
        table = b"xref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 12 /Root 1 0 R /Prev %d >>\n"
        parts.append(table % before)
        before, place = place, place + len(parts[-1])
    return b"".join([*parts, b"startxref\n%d\n%%%%EOF\n" % before])


def no_table() -> bytes:
    """A million beginnings of objects, and no table of them."""
    return b"%PDF-1.7\n" + b"".join(b"%d 0 obj\n" % number for number in range(1, 300_000))


def long_ranges() -> bytes:
    """A map to Unicode with ranges of four thousand million codes."""
    ranges = b"<0000> <FFFFFFFF> <0041>\n" * 100 + b"<00000000> <FFFFFFFF> <00410042>\n" * 100
    cmap = b"begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange 200 beginbfrange\n"
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /X /ToUnicode 1000 0 R >>"
    return _file(_stream(_SHOWN), {1000: _stream(cmap + ranges + b"endbfrange endcmap")}, font=font)


def map_bomb() -> bytes:
    """A map to Unicode of 120 MB, packed."""
    cmap = b"1 beginbfchar <0041> <0042> endbfchar\n" * 3_000_000
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /X /ToUnicode 1000 0 R >>"
    return _file(_stream(_SHOWN), {1000: _packed(b"begincmap\n" + cmap)}, font=font)


def map_in_itself() -> bytes:
    """A map to Unicode that begins with itself."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /X /ToUnicode 1000 0 R >>"
    cmap = _stream(b"/X usecmap begincmap endcmap", b"/Type /CMap /UseCMap 1000 0 R")
    return _file(_stream(_SHOWN), {1000: cmap}, font=font)


def long_widths() -> bytes:
    """A font with widths for two thousand million codes."""
    inner = (
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /CIDSystemInfo << /Registry (Adobe)"
        b" /Ordering (Identity) /Supplement 0 >> /W [0 2000000000 500] /DW 1000 >>"
    )
    font = (
        b"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H"
        b" /DescendantFonts [1000 0 R] /FirstChar -2000000000 /LastChar 2000000000 >>"
    )
    return _file(_stream(_SHOWN), {1000: inner}, font=font)


def many_fonts() -> bytes:
    """A page that names 100,000 fonts and uses one of them."""
    names = b" ".join(b"/F%d 3 0 R" % number for number in range(1, 100_001))
    return _file(_stream(_SHOWN), resources=b"<< /Font << %b >> >>" % names)


def many_different_fonts() -> bytes:
    """A page with 20,000 fonts, each an object, and each used."""
    numbers = range(1000, 21_000)
    names = b" ".join(b"/F%d %d 0 R" % (number, number) for number in numbers)
    shown = b"".join(b"BT /F%d 9 Tf (a) Tj ET " % number for number in numbers)
    more = dict.fromkeys(numbers, _FONT)
    return _file(_packed(shown), more, resources=b"<< /Font << %b >> >>" % names)


def deep_arrays() -> bytes:
    """Half a million arrays in each other, on a page and as an entry of it."""
    deep = b"[" * 500_000
    return _file([_stream(deep), _stream(_SHOWN)], {1000: deep}, b"<< /Font 1000 0 R >>")


def long_number() -> bytes:
    """A number with two million digits, a name and a string as long."""
    digits = b"9" * 2_000_000
    content = b"BT /F1 %b Tf %b 0 Td (%b) Tj /%b Do ET" % (digits, digits, digits, digits)
    return _file(_packed(content))


def many_operators() -> bytes:
    """Three million operators, packed to a few kilobytes."""
    return _file(_packed(b"0 0 m\n" * 3_000_000))


def many_texts() -> bytes:
    """A letter shown 400,000 times."""
    return _file(_packed(b"BT /F1 9 Tf " + b"(x) Tj " * 400_000 + b"ET"))


def many_lines(pages: int = 1) -> bytes:
    """Pages of 300,000 lines with one letter each."""
    return _file([_packed(b"BT /F1 9 Tf " + b"0 -9 Td (x) Tj " * 300_000 + b"ET")] * pages)


def many_slow_pages() -> bytes:
    """Forty pages that take long each."""
    return many_lines(pages=40)


def one_long_line() -> bytes:
    """Ten million letters in one line."""
    return _file(_packed(b"BT /F1 9 Tf (" + b"x" * 10_000_000 + b") Tj ET"))


def many_kerns() -> bytes:
    """One operator that shows 500,000 letters with a gap after each."""
    return _file(_packed(b"BT /F1 9 Tf [" + b"(x) -300 " * 500_000 + b"] TJ ET"))


def many_states() -> bytes:
    """A million graphics states that are saved and never taken back."""
    return _file(_packed(b"q " * 1_000_000 + _SHOWN))


def inline_images() -> bytes:
    """Inline images that never end, and one of any size."""
    image = b"BI /W 2000000000 /H 2000000000 /BPC 16 /CS /CMYK /F /Fl ID "
    return _file(_packed(image * 50_000 + _SHOWN))


def far_places() -> bytes:
    """Text at places and sizes that are no numbers of a page."""
    huge = b"1" + b"0" * 300
    shown = b"".join(
        b"BT /F1 %b Tf %b %b Td (all well) Tj ET " % numbers
        for numbers in [(huge, huge, huge), (b"-1", b"-" + huge, b"0"), (b"1e999", b"nan", b"inf")]
    )
    matrix = b"%b 0 0 %b %b %b cm " % (huge, huge, huge, huge)
    return _file([_stream(shown), _stream(matrix * 4 + shown)])


def odd_boxes() -> bytes:
    """A page of no size, turned by an odd angle."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 1e999 (x)] /Rotate 17 %b >>"
    entries = b"/Resources %b /Contents 11 0 R /UserUnit -1e308" % _RESOURCES
    return _tree({2: _kids([10], 1), 10: page % entries})


def surrogates() -> bytes:
    """Unpaired surrogates in text, in the producer and in the title."""
    cmap = b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange\n"
    cmap += b"2 beginbfchar <7A> <D800> <71> <DC00DC00> endbfchar endcmap"
    lone = b"<FEFFD800004100DCDC00>"
    info = b"<< /Producer %b /Title %b /Creator %b >>" % (lone, lone, lone)
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 1000 0 R >>"
    nodes = {
        1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [1002 0 R] >> >>",
        2: _kids([10], 1),
        3: font,
        11: _stream(b"BT /F1 9 Tf 72 720 Td (This text has a z and a q and letters.) Tj ET"),
        1000: _stream(cmap),
        1001: info,
        1002: b"<< /T %b /FT /Tx /V %b >>" % (lone, lone),
    }
    return _tree(nodes, trailer=b"/Info 1001 0 R")


def control_characters() -> bytes:
    """Escape sequences, ends of lines and zeros in the producer and in text."""
    cmap = b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange\n"
    cmap += (
        b"2 beginbfchar <61> <001B005B00330031006D> <6C> <00000085202800070008> endbfchar endcmap"
    )
    info = b"<< /Producer (a\\033[31m\\n\\000\\007b) >>"
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 1000 0 R >>"
    nodes = {
        2: _kids([10], 1),
        3: font,
        11: _stream(b"BT /F1 9 Tf 72 720 Td (This text has a z and a q and letters.) Tj ET"),
        1000: _stream(cmap),
        1001: info,
    }
    return _tree(nodes, trailer=b"/Info 1001 0 R")


def long_producer() -> bytes:
    """A producer with a name of 20 MB."""
    info = b"<< /Producer (%b) >>" % (b"x" * 20_000_000)
    return _tree({2: _kids([10], 1), 1001: info}, trailer=b"/Info 1001 0 R")


HOSTILE: dict[str, Callable[[], bytes]] = {
    name: make
    for name, make in list(globals().items())
    if callable(make) and getattr(make, "__module__", "") == __name__ and not name.startswith("_")
}
"""The makers by their name."""
