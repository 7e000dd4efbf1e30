"""Ids in, ids out: a tensor of prompts becomes a tensor of prompts and what was written after."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.generation.engine import Engine
from qwen_pl.generation.sampling import Sampling
from qwen_pl.model.qwen3 import Qwen3ForCausalLM


@torch.no_grad()
def generate(
    model: Qwen3ForCausalLM,
    input_ids: Tensor | Sequence[Sequence[int]],
    *,
    attention_mask: Tensor | None = None,
    eos_token_id: int | Collection[int] | None = None,
    pad_token_id: int | None = None,
    **sampling: Any,
) -> Tensor:
    """Writes on from every row, as Transformers' ``generate`` does, and greedily like that.

    Args:
        model: Any network of ours; its mode and its gradients stay as they are.
        input_ids: ``(B, T)`` int64, or ``(T,)`` for one row, or lists of ids of any lengths.
        attention_mask: ``(B, T)``, 0 where ``input_ids`` are padding, on whichever side.
        eos_token_id: Tokens that end a row; the one met is part of the result.
        pad_token_id: What fills shorter rows at their end; by default an end token, or 0.
        sampling: Fields of ``Sampling``; the temperature is 0 unless it is given.

    Returns:
        ``(B, T + new)`` int64 on the device of the model: the rows as they were given, then what
        was written, then padding.

    Raises:
        InputError: If a setting or a prompt cannot be used.
    """
    try:
        settings = Sampling(**{"temperature": 0.0} | sampling)
    except TypeError as error:
        raise InputError(f"generate: {str(error).split('() ')[-1]}") from None
    if settings.stop:
        raise InputError("stop strings need a tokenizer: use qwen_pl.generation.writer.Writer")
    ends = [eos_token_id] if isinstance(eos_token_id, int) else list(eos_token_id or ())
    given = input_ids.tolist() if isinstance(input_ids, Tensor) else input_ids
    rows = [list(row) for row in ([given] if given and isinstance(given[0], int) else given)]
    prompts = rows
    if attention_mask is not None:
        prompts = [
            [token for token, is_seen in zip(row, mask, strict=True) if is_seen]
            for row, mask in zip(rows, attention_mask.tolist(), strict=True)
        ]

    engine = Engine(model, stop_ids=ends, max_batch_size=max(len(prompts), 1))
    written = [engine.add(prompt, settings) for prompt in prompts]
    was_training = model.training
    model.eval()
    try:
        while not engine.is_idle:
            engine.step()
    finally:
        model.train(was_training)

    fill = pad_token_id if pad_token_id is not None else (ends or [0])[0]
    texts = []
    for row, new in zip(rows, written, strict=True):
        end = [] if new.end_id is None else [new.end_id]
        texts.append(torch.tensor(row + new.new_ids + end))
    padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=fill)
    return padded.to(model.lm_head.weight.device)
