"""Which layers of a PDF (optional content) are switched off.

Source: ISO 32000-2:2020, 8.11.
"""

from typing import Any

from pypdf.generic import DictionaryObject

from qwen_pl.data.pdf.entries import entry

_MOST_LAYERS = 10_000


class Layers:
    """The layers of a document as it is opened."""

    def __init__(self, catalog: Any) -> None:
        properties = entry(catalog, "/OCProperties")
        usual = entry(properties, "/D")
        self._is_on = entry(usual, "/BaseState") != "/OFF"
        self._others = _identities(entry(usual, "/ON" if not self._is_on else "/OFF"))
        self._unseen: set[Any] = set()
        for automatic in _items(entry(usual, "/AS")):
            if entry(automatic, "/Event") == "/View":
                self._unseen |= {
                    _identity(layer)
                    for layer in _items(entry(automatic, "/OCGs"))
                    if entry(entry(entry(layer, "/Usage"), "/View"), "/ViewState") == "/OFF"
                }

        self.hide_any = not all(map(self._is_shown, _items(entry(properties, "/OCGs"))))
        """Whether any layer is not shown."""

    def is_hidden(self, content: Any) -> bool:
        """Whether what belongs to a layer, or to several, is not shown."""
        content = content.get_object() if hasattr(content, "get_object") else content
        if not isinstance(content, DictionaryObject):
            return False
        if entry(content, "/Type") != "/OCMD":
            return not self._is_shown(content)
        layers = entry(content, "/OCGs")
        shown = [self._is_shown(layer) for layer in _items(layers)]
        if isinstance(layers, DictionaryObject):
            shown = [self._is_shown(layers)]
        if not shown:
            return False
        policy = entry(content, "/P")
        if policy == "/AllOn":
            return not all(shown)
        if policy == "/AnyOff":
            return all(shown)
        return any(shown) if policy == "/AllOff" else not any(shown)

    def _is_shown(self, layer: Any) -> bool:
        identity = _identity(layer)
        return self._is_on != (identity in self._others) and identity not in self._unseen


def _items(values: Any) -> list[Any]:
    if not isinstance(values, list):
        return []
    found = [v.get_object() if hasattr(v, "get_object") else v for v in values[:_MOST_LAYERS]]
    return [value for value in found if isinstance(value, DictionaryObject)]


def _identities(layers: Any) -> set[Any]:
    return set(map(_identity, _items(layers)))


def _identity(layer: Any) -> Any:
    reference = getattr(layer, "indirect_reference", None)
    return id(layer) if reference is None else (reference.idnum, reference.generation)
