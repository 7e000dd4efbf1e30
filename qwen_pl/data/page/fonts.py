"""What the name of a font tells of the text that is set in it."""

import re
from functools import lru_cache

# Families by their own names first, then the short names of TeX: CMTT10, t1xbtt, SFIT1000.
_MONOSPACED = re.compile(
    r"mono(?!type|gram|lith|prop)|nimbusmon|courier|cursor|typewriter|consol|menlo|monaco|andale"
    r"|terminal|terminus|cousine|anonymous|iosevka|fixedsys|letter ?gothic|ocr-?[ab]"
    r"|(source|fira|cascadia|roboto|victor)[ _-]?code|^hack\b"
    r"|^(?!cmvtt)[a-z]\w{1,3}tt(sl|sc|it?|o|b)?\d*$|^(ec|sf)(it|st|tc|tt)\d|^cmtcsc|^pcrr?b?\d",
    re.IGNORECASE,
)
_BOLD = re.compile(
    r"bold|black(?!board|letter)|heavy|demi|[-_ ,]medi(?!um)|[-_ ,]bd\b|[-_ ,]w[6-9]\b"
    r"|^(cm|ec|la|sf|lc)(ss)?b|^cmmib|^(ec|sf)s[ox]\d|^cmssdc|^(t1|t|p)x?xb|^p[a-z]{2}b\d",
    re.IGNORECASE,
)
_MATHEMATICAL = re.compile(
    r"math(?!ilda|ias)|^(cm|lm)(mi|sy|ex|bsy)|^(n|new|r)?(tx|px)b?(mi|sy|ex)|^ms[ab]m|^eu[frsx][mbx]"
    r"|^rsfs|^bbm|^bbold|^ds(rom|ss)|^stmary|^wasy|^lasy|^esint|^r?mt(sy|mi|ex|pro|-?extra)|^zptm"
    r"|symbol|standardsym|stix(size|non|int|var)|^euclid|euler",
    re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def is_monospaced(font: str) -> bool:
    """Whether all letters of a font are equally wide, as those of code are.

    >>> [is_monospaced(font) for font in ("CMTT10", "DejaVuSansMono", "MonotypeCorsiva")]
    [True, True, False]
    """
    return _MONOSPACED.search(font) is not None


@lru_cache(maxsize=1024)
def is_bold(font: str) -> bool:
    """Whether a font is bold.

    >>> [is_bold(font) for font in ("CMBX12", "NimbusRomNo9L-Medi", "Avenir-Medium")]
    [True, True, False]
    """
    return _BOLD.search(font) is not None


@lru_cache(maxsize=1024)
def is_mathematical(font: str) -> bool:
    """Whether a font has the signs of formulas; those of upright letters have none of their own.

    >>> [is_mathematical(font) for font in ("CMSY10", "CambriaMath", "CMR10")]
    [True, True, False]
    """
    return _MATHEMATICAL.search(font) is not None
