import pytest

from qwen_pl.errors import InputError
from qwen_pl.export.gguf import PARAMETERS, modelfile_text
from qwen_pl.generation.sampling import Sampling


def instructions(text: str) -> list[tuple[str, str]]:
    """What Ollama reads: the lines that are not comments, as a name and the rest."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(" ", 1)) for line in lines]


def test_ollama_is_given_the_file_the_raw_prompt_and_the_end_of_text() -> None:
    found = instructions(modelfile_text("tiny-f16.gguf", num_ctx=321))
    assert found[0] == ("FROM", "./tiny-f16.gguf")
    assert ("TEMPLATE", '"""{{ .Prompt }}"""') in found
    assert ("PARAMETER", 'stop "<|endoftext|>"') in found
    assert ("PARAMETER", "num_ctx 321") in found


def test_ollama_samples_as_generate_does() -> None:
    ours = Sampling()
    found = instructions(modelfile_text("tiny-f16.gguf", num_ctx=321))
    for name in ("temperature", "top_k", "top_p"):
        assert ("PARAMETER", f"{name} {getattr(ours, name)}") in found
    assert ("PARAMETER", f"num_predict {ours.max_new_tokens}") in found
    assert PARAMETERS["repeat_penalty"] == 1.0  # which is none


def test_every_parameter_is_one_that_ollama_knows() -> None:
    # Source: https://docs.ollama.com/modelfile
    known = {"num_ctx", "repeat_last_n", "repeat_penalty", "temperature", "seed", "stop"}
    known |= {"num_predict", "top_k", "top_p", "min_p"}
    found = instructions(modelfile_text("x.gguf", num_ctx=1))
    assert {rest.split()[0] for name, rest in found if name == "PARAMETER"} <= known


def test_a_name_with_spaces_stays_one_name() -> None:
    found = instructions(modelfile_text("my book-f16.gguf", num_ctx=1))
    assert found[0] == ("FROM", "./my book-f16.gguf")


def test_what_a_modelfile_cannot_say_is_refused() -> None:
    with pytest.raises(InputError, match="num_ctx is 0"):
        modelfile_text("x.gguf", num_ctx=0)
    with pytest.raises(InputError, match="cannot name"):
        modelfile_text("x\nSYSTEM y.gguf", num_ctx=1)
