"""What of a setting is nobody else's business: passwords, keys, and addresses that hold them."""

import re
from collections.abc import Mapping
from typing import Any

_NAMES = (
    r"passw(?:or)?d|passphrase|pwd|secret|credentials?|cookie|authorization|bearer|signature"
    r"|(?:api|access|private|secret|auth)[_-]?key|token"
)
_PRIVATE = re.compile(rf"(?i)(?:{_NAMES})$")
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s?#'\"]+@")
_IN_QUERY = re.compile(rf"(?i)([?&][\w-]*(?:{_NAMES})=)[^&\s'\"]+")
_IN_TEXT = re.compile(rf"""(?i)((?:{_NAMES})['"]?[=:]\s*)('[^']*'|"[^"]*"|[^\s'",;)}}]+)""")


def is_private(name: str) -> bool:
    """Whether the value of a setting of this name is to be known by its owner alone.

    >>> [name for name in ("password", "hf_token", "apiKey", "tokenizer") if is_private(name)]
    ['password', 'hf_token', 'apiKey']
    """
    return _PRIVATE.search(name) is not None


def without_private(value: Any) -> Any:
    """A copy of a config, as plain data, that others may see: what is private is not in it.

    >>> without_private({"data": {"password": "lace"}, "uri": "http://ada:lace@host/?token=lace"})
    {'data': {}, 'uri': 'http://host/?token=...'}
    """
    if isinstance(value, Mapping):
        return {
            name: without_private(item)
            for name, item in value.items()
            if not (item and is_private(str(name)))
        }
    if isinstance(value, list | tuple):
        return [without_private(item) for item in value]
    return public_address(value) if isinstance(value, str) else value


def public_address(text: str) -> str:
    """A text whose addresses name no user and hold no key."""
    return _IN_QUERY.sub(r"\1...", _IN_ADDRESS.sub("", text))


def without_private_words(line: str) -> str:
    """What is said of settings, without the value of those that are private.

    >>> without_private_words("{'api_key': 'la ce', 'name': 'a'} --data.password=lace")
    "{'api_key': ..., 'name': 'a'} --data.password=..."
    """
    return _IN_TEXT.sub(r"\1...", public_address(line))
