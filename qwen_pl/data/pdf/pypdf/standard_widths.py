"""How wide the letters of the fonts are that every program has at hand and no file need describe.

Source: Adobe's font metrics (AFM) of the standard fonts of ISO 32000-1:2008, 9.6.2.2.
"""

import re
import unicodedata

# Thousandths of the font size, in four digits, and the letters that have that width.
_GROUPS = {
    "Helvetica": (
        "0191' 0222ijlł‘’ 0260| 0278!,./:;I[\\]ft·ı 0333()-`r¡“”‹› 0334{} 0350• 0355\" 0389* "
        "0400° 0469^ 0500Jcksvxyzﬁﬂ 0556#$0123456789?L_abdeghnopqu§«»ðþŁ–†‡ 0584+<=>~±×− "
        "0611FTZ¿ßø 0667&ABEKPSVXY 0722CDHNRUw 0737©® 0778GOQØ 0833Mm 0889%æ 0944Wœ 1000ÆŒ—…™ "
        "1015@"
    ),
    "Helvetica-Bold": (
        "0238' 0278,./I\\ijl·ıł‘’ 0280| 0333!()-:;[]`ft¡‹› 0350• 0389*r{} 0400° 0474\" 0500z“” "
        "0556#$0123456789J_aceksvxy§«»–†‡ 0584+<=>^~±×− 0611?FLTZbdghnopqu¿ßðøþŁﬁﬂ 0667EPSVXY "
        "0722&ABCDHKNRU 0737©® 0778GOQwØ 0833M 0889%mæ 0944Wœ 0975@ 1000ÆŒ—…™"
    ),
    "Times-Roman": (
        "0180' 0200| 0250,.· 0278/:;\\ijltıł 0333!()-I[]`fr¡‘’‹› 0350• 0389Js 0400° 0408\" "
        "0444?acez¿“” 0469^ 0480{} 0500#$*0123456789_bdghknopquvxy§«»ßðøþ–†‡ 0541~ 0556FPSﬁﬂ "
        "0564+<=>±×− 0611ELTZŁ 0667BCRæ 0722ADGHKNOQUVXYwØœ 0760©® 0778&m 0833% 0889MÆŒ 0921@ "
        "0944W 0980™ 1000—…"
    ),
    "Times-Bold": (
        "0220| 0250,.· 0278'/\\ilıł 0333!()-:;[]`fjt¡‘’‹› 0350• 0389Is 0394{} 0400° 0444cerz "
        '0500#$*0123456789?J_agovxy§«»¿ðø–“”†‡ 0520~ 0555" 0556Sbdhknpqußþﬁﬂ 0570+<=>±×− '
        "0581^ 0611FP 0667BELTZŁ 0722ACDNRUVXYwæœ 0747©® 0778GHKOQØ 0833&m 0930@ 0944M "
        "1000%WÆŒ—…™"
    ),
    "Times-Italic": (
        "0214' 0250,.· 0275| 0278/\\fijltıł 0333!()-:;I`‘’‹› 0350• 0389[]rsz¡ 0400{}° 0420\" "
        "0422^ 0444Jcekvxy 0500#$*0123456789?S_abdghnopqu§«»¿ßðøþ–†‡ﬁﬂ 0541~ 0556LTYZŁ“” "
        "0611ABEFPRVX 0667CKNwæœ 0675+<=>±×− 0722DGHOQUmØ 0760©® 0778& 0833%MW 0889Æ—… 0920@ "
        "0944Œ 0980™"
    ),
    "Times-BoldItalic": (
        "0220| 0250,.· 0278'/\\ijltıł 0333()-:;[]`f‘’‹› 0348{} 0350• 0389!Irsz¡ 0400° 0444cevy "
        '0500#$*0123456789?J_abdgkopqx§«»¿ßðøþ–“”†‡ 0555" 0556Shnuﬁﬂ 0570+<=>^~±× 0606− '
        "0611LPTYZŁ 0667ABCEFKRVXw 0722DGNOQUØæœ 0747©® 0778&Hm 0832@ 0833% 0889MW 0944ÆŒ "
        "1000—…™"
    ),
    "Symbol": (
        "0167⁄ 0200| 0247′ 0250,.⋅ 0274∫ 0278/:; 0329ι〈〉 0333!()[]Ι 0400° 0411γ″ 0439εςτ∋ "
        "0444? 0460• 0480{} 0493ξ 0494δζ∂◊ 0500#0123456789_ƒ∗ 0521θνφ "
        "0549+<=>±×÷βκλοπρχ∃−√∼≅≈≠≡≤≥ 0556Ρ 0576µυ 0592Σ 0603Γησϕ↑↓⇑⇓∧∨ 0611ΕΖΤ 0612∆ 0620ϒ "
        "0631αϑ 0645Ξ 0658↵⊥ 0667Β 0686Λψωℑ⌠⌡ 0690Υ 0713¬ϖ∀∇∈∉∑∝∞⊂⊃⊄⊆⊇ 0722ΑΗΚΝΟΧ 0741Θ 0750€ "
        "0753♠♣♥♦ 0763Φ 0768ΠΩ∠∩∪⊕⊗ 0778& 0795Ψℜ 0823ℵ∅∏ 0833% 0863∴ 0889Μ 0987℘←→⇐⇒ 1000… "
        "1042↔⇔"
    ),
}
_SPACE = {"Helvetica": 278, "Helvetica-Bold": 278, "ZapfDingbats": 278}
_USUAL_SPACE = 250
_MONOSPACED = 600
_USUAL = {"ZapfDingbats": 788}
_ALSO = {"arial": "Helvetica", "helvetica": "Helvetica", "timesnewroman": "Times", "times": "Times"}
_STYLES = {  # of Times and Helvetica: regular, bold, slanted, both
    "Times": ("Times-Roman", "Times-Bold", "Times-Italic", "Times-BoldItalic"),
    "Helvetica": ("Helvetica", "Helvetica-Bold", "Helvetica", "Helvetica-Bold"),
}
_GROUP = re.compile(r"(\d{4})(\S+)")


def standard_widths(name: str) -> dict[str, float] | None:
    """The widths of a standard font by the text of a glyph, in sizes; None if it is none.

    The empty text stands for all others.

    >>> standard_widths("Arial,Bold")["a"], standard_widths("Courier")[""], standard_widths("X")
    (0.556, 0.6, None)
    """
    family = (
        re.split("[-,]", name.replace(" ", ""))[0].lower().removesuffix("mt").removesuffix("ps")
    )
    if family in ("courier", "couriernew"):
        return {"": _MONOSPACED / 1000}
    style = ("bold" in name.lower()) + 2 * bool(re.search("italic|oblique", name.lower()))
    standard = {"symbol": "Symbol", "zapfdingbats": "ZapfDingbats"}.get(family)
    if family in _ALSO:
        standard = _STYLES[_ALSO[family]][style]
    if standard is None:
        return None
    widths = {"": _USUAL.get(standard, 556) / 1000, " ": _SPACE.get(standard, _USUAL_SPACE) / 1000}
    for width, letters in _GROUP.findall(_GROUPS.get(standard, "")):
        widths |= dict.fromkeys(letters, int(width) / 1000)
    return widths


def standard_width(widths: dict[str, float], text: str) -> float:
    """The width of a glyph: a letter with an accent is as wide as the letter."""
    width = widths.get(text)
    if width is None and text:
        width = widths.get(unicodedata.normalize("NFD", text)[0])
    return widths[""] if width is None else width
