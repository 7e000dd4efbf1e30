"""Asks llama.cpp what it makes of GGUF files, through whichever of its bindings is installed."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch

if TYPE_CHECKING:
    import llama_cpp

SCRIPT = Path(__file__).parents[1] / "export/llama_generate.mjs"
BINDINGS = ("llama-cpp-python", "node-llama-cpp")


class Question(NamedTuple):
    """A file, and prompts to continue with the likeliest tokens."""

    model: Path
    prompts: Sequence[str]
    max_tokens: int
    """0 only cuts the prompts into tokens."""


class Answer(NamedTuple):
    """What llama.cpp made of one prompt."""

    prompt_ids: list[int]
    ids: list[int]
    """What follows the prompt, without the token that ended it."""
    stopped: bool
    """Whether llama.cpp took a token for the end, before there were enough."""
    text: str
    next: list[float]
    """The probability of each token right after the prompt."""


def skip_without(binding: str) -> None:
    """Skips the test that asks, saying why, where a binding is not installed."""
    if binding == "node-llama-cpp":
        folder = _node_folder()
        tried = _node(folder, [], check=False)
        if tried.returncode:
            pytest.skip(f"node-llama-cpp in {folder} does not start: {tried.stderr[-300:]}")
    elif find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed")


def ask(binding: str, questions: Sequence[Question]) -> list[list[Answer]]:
    """Answers to all prompts of each question.

    Weights and cache are computed with as they are, on the CPU.
    """
    if binding == "llama-cpp-python":
        return [_ask_python(question) for question in questions]
    wire = [question._asdict() | {"model": str(question.model)} for question in questions]
    answers = json.loads(_node(_node_folder(), wire).stdout)
    return [[Answer(**answer) for answer in several] for several in answers]


def _ask_python(question: Question) -> list[Answer]:
    import llama_cpp

    float32 = llama_cpp.GGML_TYPE_F32
    llama = llama_cpp.Llama(
        str(question.model),
        n_ctx=512,
        n_gpu_layers=0,
        type_k=float32,
        type_v=float32,
        verbose=False,
    )
    return [_continue_python(llama, prompt, question.max_tokens) for prompt in question.prompts]


def _continue_python(llama: "llama_cpp.Llama", prompt: str, max_tokens: int) -> Answer:
    import llama_cpp

    prompt_ids = llama.tokenize(prompt.encode(), add_bos=False, special=True)
    ids: list[int] = []
    stopped = False
    likely: list[float] = []
    for token in llama.generate(prompt_ids, temp=0.0) if max_tokens else ():
        if not likely:
            logits = llama_cpp.llama_get_logits_ith(llama.ctx, -1)
            likely = torch.tensor(logits[: llama.n_vocab()]).softmax(-1).tolist()
        stopped = llama_cpp.llama_vocab_is_eog(llama._model.vocab, token)
        if stopped:
            break
        ids.append(token)
        if len(ids) == max_tokens:
            break
    text = llama.detokenize(ids, prev_tokens=prompt_ids).decode(errors="replace")
    return Answer(prompt_ids, ids, stopped, text, likely)


def _node_folder() -> Path:
    """The folder whose ``node_modules`` holds node-llama-cpp."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    here = Path.cwd()
    folders = [here, *here.parents, *SCRIPT.parents]
    if given := os.environ.get("NODE_LLAMA_CPP"):
        folder = Path(given).absolute()
        folders.insert(0, folder.parent if folder.name == "node_modules" else folder)
    if npm := shutil.which("npm"):
        found = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False)
        folders.append(Path(found.stdout.strip()).parent)
    for folder in folders:
        if (folder / "node_modules" / "node-llama-cpp").is_dir():
            return folder
    pytest.skip("node-llama-cpp is not installed; NODE_LLAMA_CPP may name the folder it is in")


def _node(
    folder: Path, questions: list[dict[str, Any]], check: bool = True
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", str(SCRIPT), str(folder)],
        input=json.dumps(questions),
        capture_output=True,
        encoding="utf-8",
        check=check,
    )
