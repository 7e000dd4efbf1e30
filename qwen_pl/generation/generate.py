"""Writing one text: a prompt in, new tokens out as they are drawn."""

from collections.abc import Collection, Iterator, Sequence

from qwen_pl.generation.engine import Engine
from qwen_pl.generation.sampling import Sampling
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
    writing goes on, or the text ends, as ``sampling.when_full`` says. Global random state is
    neither read nor changed.

    Args:
        model: Put in eval mode while it writes, and back when the iterator ends or is dropped.
        prompt_ids: What the text goes on from.
        sampling: How much to write, and how freely. Stop strings are text: see ``Writer``.
        stop_ids: Tokens that end the text; they are not yielded.
        num_tokens: Ids of the tokenizer; padding of the vocabulary above them is never chosen.

    Raises:
        InputError: If the prompt is empty, holds an id outside the vocabulary, or is longer than
            the context and may not slide.
    """
    engine = Engine(model, stop_ids=stop_ids, num_tokens=num_tokens, max_batch_size=1)
    engine.add(prompt_ids, sampling)
    return _written(engine)


def _written(engine: Engine) -> Iterator[int]:
    model = engine.network
    was_training = model.training
    model.eval()
    try:
        while not engine.is_idle:
            for step in engine.step():
                if step.token_id is not None:
                    yield step.token_id
    finally:
        model.train(was_training)
