"""Writing: the loop that turns a prompt into new tokens, one at a time."""

from collections.abc import Collection, Iterator, Sequence

import torch

from qwen_pl.errors import InputError
from qwen_pl.generation.sampling import Sampling, sample
from qwen_pl.model.cache import KeyValueCache
from qwen_pl.model.qwen3 import Qwen3ForCausalLM


def generate(
    model: Qwen3ForCausalLM,
    prompt_ids: Sequence[int],
    sampling: Sampling | None = None,
    *,
    stop_ids: Collection[int] = (),
    num_tokens: int | None = None,
) -> Iterator[int]:
    """Yields new token ids as they are drawn.

    The context grows up to ``max_position_embeddings``; then its newest half is read again and
    writing goes on. Global random state is neither read nor changed.

    Args:
        model: Put in eval mode while it writes, and back when the iterator ends or is dropped.
        prompt_ids: What the text goes on from.
        sampling: How much to write, and how freely.
        stop_ids: Tokens that end the text; they are not yielded.
        num_tokens: Ids of the tokenizer; padding of the vocabulary above them is never chosen.

    Raises:
        InputError: If the prompt is empty or holds an id outside the vocabulary.
    """
    ids = list(prompt_ids)
    vocab_size = model.config.vocab_size
    if not ids:
        raise InputError("the prompt is empty: give at least one token to go on from")
    unknown = [token for token in ids if not 0 <= token < vocab_size]
    if unknown:
        raise InputError(
            f"token {unknown[0]} of the prompt is not among the model's {vocab_size}: "
            "use the tokenizer it was trained with"
        )
    return _generate(model, ids, sampling or Sampling(), frozenset(stop_ids), num_tokens)


@torch.no_grad()
def _generate(
    model: Qwen3ForCausalLM,
    ids: list[int],
    sampling: Sampling,
    stop_ids: frozenset[int],
    num_tokens: int | None,
) -> Iterator[int]:
    limit = model.config.max_position_embeddings
    weight = model.lm_head.weight
    generator = torch.Generator(weight.device)
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)
    max_len = min(limit, len(ids) + sampling.max_new_tokens)
    cache = KeyValueCache(model.config, 1, max_len, weight.device, weight.dtype)
    was_training = model.training
    model.eval()
    try:
        unread = ids
        for _ in range(sampling.max_new_tokens):
            if cache.length + len(unread) > limit:
                cache.reset()
                unread = ids[-max(1, limit // 2) :]
            input_ids = torch.tensor([unread], device=weight.device)
            logits = model(input_ids, cache=cache, logits_to_keep=1)[:, -1, :num_tokens]
            token = sample(
                logits, sampling.temperature, sampling.top_k, sampling.top_p, generator
            ).item()
            if token in stop_ids:
                return
            yield token
            ids.append(token)
            unread = [token]
    finally:
        model.train(was_training)
