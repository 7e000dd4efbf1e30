"""The routes: completions and models as in OpenAI's API, and the page to try prompts in."""

import asyncio
from functools import partial
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response

from qwen_pl.errors import InputError
from qwen_pl.serving.completions import EventStream, answer_unless_gone, read_task
from qwen_pl.serving.errors import ApiError, body_error, no_model
from qwen_pl.serving.request import CompletionRequest
from qwen_pl.serving.worker import Worker

PAGE = Path(__file__).parent / "page"
PAGE_HEADERS = {
    # Nothing from elsewhere, no script but its own file, and in no frame of another page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def make_app(worker: Worker, *, name: str, created: int) -> FastAPI:
    """The server without its guard, socket and process.

    ``name`` is that of the one model there is, which the worker writes with, and ``created`` when
    its checkpoint was written, in seconds since 1970.
    """
    # FastAPI's own pages load scripts from a CDN.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    _add_error_handlers(app)
    for path, file in {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js"}.items():
        app.add_api_route(path, partial(_page, file), methods=["GET", "HEAD"], response_model=None)
    about = {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "qwen_pl",
        # Beyond OpenAI's, as vLLM has it: tokens of the longest context.
        "max_model_len": worker.writer.network.config.max_position_embeddings,
    }

    reading = asyncio.Semaphore(1)

    @app.post("/v1/completions")
    async def completions(request: Request, body: CompletionRequest) -> Response:
        # In a thread, for a long prompt would hold up everyone's pieces; one at a time, for it
        # takes a hundred times its memory.
        async with reading:
            task = await asyncio.to_thread(read_task, body, name, worker.writer)
        order = worker.submit(task.jobs)
        if body.stream:
            include_usage = bool(body.stream_options and body.stream_options.include_usage)
            return EventStream(task, order, include_usage)
        return await answer_unless_gone(request, task, order)

    @app.get("/v1/models")
    async def models() -> Response:
        return JSONResponse({"object": "list", "data": [about]})

    @app.get("/v1/models/{asked:path}")
    async def model(asked: str) -> Response:
        if asked != name:
            raise no_model(asked, name)
        return JSONResponse(about)

    @app.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> Response:
        if not worker.is_alive:
            raise ApiError(503, "nothing is written any more: restart the server")
        return JSONResponse({"status": "ok"})

    @app.api_route("/v1/chat/completions", methods=["GET", "POST"])
    async def chat() -> Response:
        why = f"{name} is a base model, which goes on from a text and cannot chat"
        raise ApiError(404, f"{why}: use /v1/completions", code="not_a_chat_model")

    return app


def _page(file: str) -> Response:
    return FileResponse(PAGE / file, headers=PAGE_HEADERS)


def _add_error_handlers(app: FastAPI) -> None:
    fields = list(CompletionRequest.model_fields)

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> Response:
        return error.response

    @app.exception_handler(InputError)
    async def input_error(request: Request, error: InputError) -> Response:
        return ApiError(400, str(error)).response

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> Response:
        return body_error(error.errors(), fields).response

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        reasons = {
            404: f"there is no {path} here, but /v1/completions, /v1/models and the page at /",
            405: f"{path} does not take {request.method}",
            400: "the body cannot be read as JSON",
        }
        reason = reasons.get(error.status_code, HTTPStatus(error.status_code).phrase)
        return ApiError(error.status_code, reason, headers=error.headers).response

    @app.exception_handler(Exception)
    async def failure(request: Request, error: Exception) -> Response:
        return ApiError(500, "the request failed: the server's terminal says why").response
