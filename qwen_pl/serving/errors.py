"""What a client is told when a request cannot be answered, in the form of OpenAI's API."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

TYPES = {429: "rate_limit_error", 500: "server_error", 503: "server_error"}
"""By status; all others are ``invalid_request_error``."""

LONGEST = 400
"""Characters of a message; a request can hold names of any length."""


class ApiError(HTTPException):
    """A request that ends in an HTTP status and a reason.

    ``param`` is the field of the request that is wrong, ``code`` one word that a program can tell
    the error by.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, _cut(message), headers)
        self.param = param and _cut(param)
        self.code = code

    def __str__(self) -> str:
        return self.detail

    @property
    def content(self) -> dict[str, Any]:
        """What stands in the body of the response, or in the last event of a stream."""
        return {
            "error": {
                "message": self.detail,
                "type": TYPES.get(self.status_code, "invalid_request_error"),
                "param": self.param,
                "code": self.code,
            }
        }

    @property
    def response(self) -> Response:
        # In ASCII, since what was met may be half of a surrogate pair.
        body = json.dumps(self.content)
        return Response(body, self.status_code, self.headers, media_type="application/json")


def no_model(asked: str, known: str) -> ApiError:
    """The 404 for a model by another name than that of the only one there is."""
    message = f"there is no model {asked}: this server has {known}"
    return ApiError(404, message, param="model", code="model_not_found")


def busy(why: str) -> ApiError:
    """The 429 for a request that has to wait."""
    message, headers = f"{why}: ask again in a while", {"Retry-After": "2"}
    return ApiError(429, message, code="rate_limit_exceeded", headers=headers)


def body_error(problems: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> ApiError:
    """The 400 for a body that does not fit, from Pydantic's errors; it may hold ``fields``."""
    first = problems[0]
    path = [str(part) for part in first["loc"][1:]]
    name = ".".join(path)
    if first["type"] == "json_invalid":
        message, path = f"the body is not JSON: {first['ctx']['error']}", []
    elif not path:
        message = 'the body has to be a JSON object: {"prompt": "...", "max_tokens": 16}'
    elif first["type"] == "missing":
        message = f"{name} is missing"
    elif first["type"] == "extra_forbidden":
        near = get_close_matches(name, fields, n=1)
        message = f"there is no {name}" + (f" (did you mean {near[0]}?)" if near else "")
    elif first["type"] == "value_error":
        message = f"{name}: {first['ctx']['error']}"
    else:
        reason = first["msg"][:1].lower() + first["msg"][1:]
        message = f"{name} is {reprlib.repr(first['input'])}: {reason}"
    return ApiError(400, message, param=path[0] if path else None)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
