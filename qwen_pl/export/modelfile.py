"""The ``Modelfile`` from which Ollama makes a model of a GGUF file."""

from qwen_pl.errors import InputError
from qwen_pl.qwen_tokenizer import END_OF_TEXT

# What ``generate`` does when nothing else is asked for, so that both write alike. Ollama's own
# defaults would punish repetition and never stop.
PARAMETERS = {
    "temperature": 0.8,
    "top_k": 50,
    "top_p": 0.95,
    "min_p": 0.0,
    "repeat_penalty": 1.0,
    "num_predict": 128,
}


def modelfile_text(gguf_name: str, *, num_ctx: int) -> str:
    """The text of a ``Modelfile`` for a base model, which continues a prompt and does not chat.

    Source: https://docs.ollama.com/modelfile

    Args:
        gguf_name: The name of the GGUF file, which stands beside the ``Modelfile``.
        num_ctx: Tokens that Ollama makes room for, prompt and answer together.

    Raises:
        InputError: If there is no room for a token, or the name is more than one line.

    >>> print(modelfile_text("tiny-f16.gguf", num_ctx=256).split("\\n\\n")[1])
    FROM ./tiny-f16.gguf
    """
    if num_ctx < 1:
        raise InputError(f"num_ctx is {num_ctx}: give 1 token or more")
    if not gguf_name.isprintable():
        raise InputError(f"a Modelfile cannot name {gguf_name!r}: choose a name that can be shown")
    parameters = "\n".join(
        f"PARAMETER {name} {value}" for name, value in {"num_ctx": num_ctx, **PARAMETERS}.items()
    )
    return f"""\
# ollama create MODEL -f Modelfile
# ollama run MODEL "It is a truth"

FROM ./{gguf_name}

# A base model has no roles: the prompt goes in as it is, and the model goes on from it. Write é as
# one character (Unicode's NFC, the usual form), as in the training text: Ollama does not see to it.
TEMPLATE \"\"\"{{{{ .Prompt }}}}\"\"\"

{parameters}
PARAMETER stop "{END_OF_TEXT}"
"""
