"""Codes of fonts become the text they show, or U+FFFD; never names, numbers or other letters."""

import zlib
from io import BytesIO

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
)

from qwen_pl.data.pdf.fonts.codes import FontCodes, font_codes
from qwen_pl.data.pdf.fonts.programs import NO_PROGRAM, read_program

UNKNOWN = "\ufffd"
IDENTITY = b"1 beginbfrange <0000> <FFFF> <0000> endbfrange"


def stream(data: bytes) -> DecodedStreamObject:
    made = DecodedStreamObject()
    made.set_data(data)
    return made


def dictionary(**entries: object) -> DictionaryObject:
    made = DictionaryObject()
    for name, value in entries.items():
        if isinstance(value, str):
            value = NameObject(value)
        elif isinstance(value, int):
            value = NumberObject(value)
        elif isinstance(value, bytes):
            value = stream(value)
        elif isinstance(value, list):
            value = ArrayObject(
                NumberObject(v)
                if isinstance(v, int)
                else NameObject(v)
                if isinstance(v, str)
                else v
                for v in value
            )
        made[NameObject(f"/{name}")] = value
    return made


def simple(subtype: str = "/Type1", **entries: object) -> FontCodes:
    return font_codes(dictionary(Type="/Font", Subtype=subtype, **entries))


def composite(encoding: object, descendant: DictionaryObject, **entries: object) -> FontCodes:
    return font_codes(
        dictionary(Subtype="/Type0", Encoding=encoding, DescendantFonts=[descendant], **entries)
    )


def shown(codes: FontCodes, data: bytes) -> str:
    return "".join(codes.text(code) for code, _ in codes.split(data))


def program(letters: str, *, is_cff: bool = False, has_map: bool = True) -> bytes:
    """A font whose glyphs are these letters, from number 1."""
    names = [".notdef", *(f"uni{ord(letter):04X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=not is_cff)
    builder.setupGlyphOrder(names)
    if has_map:
        builder.setupCharacterMap({ord(letter): f"uni{ord(letter):04X}" for letter in letters})
    if is_cff:
        glyphs = {name: T2CharStringPen(500, None).getCharString() for name in names}
        builder.setupCFF("Made", {}, glyphs, {})
    else:
        builder.setupGlyf({name: TTGlyphPen(None).glyph() for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (500, 0)))
    builder.setupHorizontalHeader()
    builder.setupPost(keepGlyphNames=not has_map)
    file = BytesIO()
    builder.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["/T_h", "/e"], "The"),
        (["/f_t"], "ft"),
        (["/uni0066006A"], "fj"),
        (["/u1D49C"], "𝒜"),
        (["/a.scn", "/one.oldstyle8", "/Asmall", "/nineoldstyle"], "a1a9"),
        (["/f_f_i.liga", "/ffl", "/fi"], "ffifflfi"),
        (["/greaterorequalslant", "/mapsto", "/radicalbigg"], "⩾↦√"),
        (["/parenlefttp", "/bracerightmid"], "⎛⎬"),
        (["/afii10017", "/uni0915094D0937"], "Аक्ष"),
        (["/g123", "/C0045", "/glyph7", "/cid_12", "/G41", "/a31"], UNKNOWN * 6),
    ],
)
def test_names_of_glyphs_say_their_text(names: list[str], text: str) -> None:
    encoding = dictionary(BaseEncoding="/WinAnsiEncoding", Differences=[1, *names])
    assert shown(simple(Encoding=encoding), bytes(range(1, len(names) + 1))) == text


def test_bitmaps_of_tex_keep_the_codes_that_they_are_named_by() -> None:
    encoding = dictionary(Differences=[12, "/a12", 65, "/a65"])
    assert shown(simple("/Type3", Encoding=encoding), b"\x0cA") == "\x0cA"


@pytest.mark.parametrize("has_map", [True, False], ids=["cmap", "post"])
def test_an_embedded_program_says_what_numbers_of_its_glyphs_show(has_map: bool) -> None:
    """Read as if they were text, the numbers would give other letters."""
    file = dictionary(FontFile2=program("The mil", has_map=has_map))
    codes = composite("/Identity-H", dictionary(FontDescriptor=file))
    assert (
        shown(codes, bytes([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 9])) == "The mil" + UNKNOWN
    )


def test_a_table_may_stand_between_characters_and_glyphs() -> None:
    file = dictionary(FontFile2=program("ab"))
    table = bytes([0, 0, 0, 2, 0, 1])
    codes = composite("/Identity-H", dictionary(FontDescriptor=file, CIDToGIDMap=table))
    assert shown(codes, b"\0\1\0\2") == "ba"


def test_a_map_that_only_gives_codes_back_is_not_believed() -> None:
    letters = "".join(map(chr, range(0x61, 0x7B))) + "".join(map(chr, range(0x410, 0x450)))
    file = dictionary(FontFile2=program(letters))
    codes = composite("/Identity-H", dictionary(FontDescriptor=file), ToUnicode=IDENTITY)
    assert shown(codes, b"\0\x08\0\x05") == "he"
    codes = composite("/Identity-H", dictionary(), ToUnicode=IDENTITY)
    assert shown(codes, b"\0h\0e") == "he", "where nothing contradicts it, it may be meant"


def test_a_map_with_one_letter_for_all_codes_is_not_believed() -> None:
    entries = b" ".join(b"<%02X> <0031>" % code for code in range(0x41, 0x5B))
    told = b"26 beginbfchar " + entries + b" endbfchar"
    assert shown(simple(Encoding="/WinAnsiEncoding", ToUnicode=told), b"MILL") == "MILL"


@pytest.mark.parametrize("nothing", [b"<0000>", b"<FFFD>", b"<0007>", b"<>"])
def test_a_code_that_its_map_leaves_open_is_no_letter_of_the_usual_encoding(nothing: bytes) -> None:
    told = b"2 beginbfchar <41> <0041> <80> " + nothing + b" endbfchar"
    assert shown(simple(Encoding="/WinAnsiEncoding", ToUnicode=told), b"A\x80") == "A" + UNKNOWN


def test_maps_have_ranges_lists_and_ligatures() -> None:
    told = (
        b"1 begincodespacerange <00> <FF> endcodespacerange 3 beginbfrange\n<01> <03> <0061>\n"
        b"<10> <11> [<00660069> <D835DC9C>]<20><20><0020>endbfrange"
    )
    assert shown(simple(ToUnicode=told), b"\1\2\3 \x10\x11") == "abc fi𝒜"


@pytest.mark.parametrize(
    ("cmap", "codec", "text"),
    [
        ("/KSCms-UHC-H", "cp949", "대한민국의 AB 뷁"),
        ("/KSC-EUC-V", "euc_kr", "대한민국의 권력"),
        ("/GBK-EUC-H", "gbk", "中华人民 2024 鎔"),
        ("/GBK2K-H", "gb18030", "中华人民"),
        ("/ETen-B5-H", "cp950", "中華民國 ok"),
        ("/90ms-RKSJ-H", "cp932", "日本語ｶﾅ abc"),
        ("/EUC-H", "euc_jp", "日本語です"),
        ("/UniKS-UCS2-H", "utf-16-be", "대한 ab"),
        ("/UniJIS-UTF16-V", "utf-16-be", "日本語 ab"),
    ],
)
def test_east_asian_encodings_are_known_by_name(cmap: str, codec: str, text: str) -> None:
    assert shown(composite(cmap, dictionary()), text.encode(codec)) == text


@pytest.mark.parametrize(
    ("base", "data", "text"),
    [
        ("/WinAnsiEncoding", b"it's \x95 \x93a\x94", "it's • “a”"),
        ("/MacRomanEncoding", b"caf\x8e", "café"),
        ("/StandardEncoding", b"it's", "it’s"),
        (None, b"it's", "it’s"),
    ],
)
def test_encodings_of_simple_fonts_are_known_by_name(base: object, data: bytes, text: str) -> None:
    entries = {"Encoding": base} if base else {}
    assert shown(simple(**entries), data) == text


def test_rows_and_cells_of_japanese_are_read() -> None:
    data = "日本語".encode("iso2022_jp")[3:-3]
    assert shown(composite("/H", dictionary()), data) == "日本語"


def test_a_cmap_in_the_file_says_how_codes_are_parted() -> None:
    cmap = (
        b"2 begincodespacerange <00> <7F> <8100> <81FF> endcodespacerange "
        b"1 begincidrange <8101> <8102> 1 endcidrange 1 begincidchar <41> 3 endcidchar"
    )
    file = dictionary(FontFile2=program("xyz"))
    codes = composite(cmap, dictionary(FontDescriptor=file))
    assert shown(codes, b"\x81\x01A\x81\x02") == "xzy"
    assert list(map(codes.cid, (0x8101, 0x41, 7))) == [1, 3, 7], "by which glyphs have widths"


def test_fonts_of_signs_give_signs() -> None:
    assert shown(simple(BaseFont="/Symbol"), b"a\xb7\xe6") == "α•⎛"
    told = b"1 beginbfchar <B7> <F0B7> endbfchar"
    assert shown(simple(BaseFont="/ABCDEE+Symbol", ToUnicode=told), b"\xb7") == "•"
    told = b"1 beginbfchar <01> <F0FC> endbfchar"
    assert shown(simple(BaseFont="/Wingdings-Regular", ToUnicode=told), b"\1") == "✓"
    assert shown(simple(BaseFont="/ZapfDingbats"), b"4") == "✔"


def test_programs_say_what_their_own_codes_show() -> None:
    clear = b"%!PS-AdobeFont-1.0\n/Encoding 256 array\ndup 12 /braceleftbigg put\ndup 65/T_h put\n"
    file = dictionary(FontFile=clear + b"readonly def currentfile eexec\x00\xff", Flags=4)
    assert shown(simple(FontDescriptor=file), b"\x0cA") == "{Th"


def test_glyphs_of_a_cff_have_names() -> None:
    assert read_program(program("Ωж", is_cff=True, has_map=False)).by_glyph == {1: "Ω", 2: "ж"}


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_a_damaged_program_says_less_and_never_fails(junk: bytes, at: int) -> None:
    whole = program("The mil")
    read_program(whole[:at] + junk + whole[at + len(junk) :])
    read_program(junk)


def test_a_hostile_program_costs_little() -> None:
    groups = (0).to_bytes(4, "big") + (0x10FFFF).to_bytes(4, "big") + bytes(4)
    table = bytes([0, 12]) + bytes(10) + (50_000).to_bytes(4, "big") + groups * 50_000
    cmap = bytes([0, 0, 0, 1, 0, 3, 0, 10, 0, 0, 0, 12]) + table
    head = b"\0\1\0\0\0\1" + bytes(6) + b"cmap" + bytes(4)
    font = head + (28).to_bytes(4, "big") + len(cmap).to_bytes(4, "big") + cmap
    assert len(read_program(font).by_glyph) <= 200_000
    assert read_program(b"\1\0\4\1" + zlib.compress(b"x" * 100)) == NO_PROGRAM


@pytest.mark.parametrize("part", [b"<00><FFFF><0041>", b"<00><01>[", b"<00><01>[]", b"<00>"])
def test_a_hostile_map_costs_little(part: bytes) -> None:
    told = b"1 beginbfrange " + part * 20_000 + b" endbfrange"
    shown(simple(ToUnicode=told * 3), b"AB")


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_a_damaged_map_never_fails(junk: bytes) -> None:
    codes = simple(ToUnicode=b"1 beginbfrange <00> <7F> [" + junk + b" <20> endbfrange " + junk)
    shown(codes, junk)
