"""Loads an exported folder with Transformers and compares what it computes with the original."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from qwen_pl.any_tokenizer import unused_ids
from qwen_pl.errors import InputError
from qwen_pl.export.findings import Finding
from qwen_pl.export.hugging_face import dtype_name
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Transformers 5.20 is the oldest that this was tried with; 4.57 works too, but is not promised.
REQUIREMENT = "transformers>=5.20,<6"

TOLERANCE = 1e-4
"""Between float32 logits, as a share of the largest where that is above 1: sums have two orders."""

LONGEST_TEXT = 256
LONGEST_PROMPT = 16
NUM_NEW_TOKENS = 32
NUM_PROMPTS = 6

AWKWARD_TEXTS = [
    "It is a truth universally acknowledged, that a single man is in want of a wife.",
    "She's here; they'LL go. We've 12,345.678 of them — 50% off, isn't it?",
    "Tränen, naïve façade, Ελληνικά, это правда, tiếng Việt, İstanbul ſtraße",
    "e\u0301 and é, A\u030a and Å, \u1112\u1161\u11ab and 한, \u2126 and Ω, ﬁ and fi",
    "真理は普遍的に認められている。学而时习之，不亦说乎？한국어",
    "👍🏽 👩‍👩‍👧‍👦 🇫🇷 ❤️ 𝒳 𐍈 🦊",
    "مرحبا بالعالم שלום עולם नमस्ते สวัสดี",
    "def f(x: int) -> str:\n\treturn f'{x!r:>10}'  # {{}} \\n <b>&amp;</b>\r\n\r\n",
    "  two  spaces   three\ttab\u00a0no-break\u3000wide\u200bzero\n\n\n \n\t end  ",
    *(" leading", "trailing ", " ", "\n", "\t\t", ""),
    "0 00 000 1234567890 ½ ² Ⅷ ٣",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!!!!!!!!!!......,,,,((((]]]]----____",
    "https://example.org/a?b=c&d=%20#e user@example.org C:\\dir\\file.txt",
    "He said : \" I do n't know . \" , did n't he ?",
    "one<|endoftext|>two <|endoftext|> three<|endoftext|>",
    "<|im_start|>user\nHello<|im_end|>\n<think>\n\n</think> <|not_a_token|> <|endoftext|",
    "\u0000\u0001\u007f\ufeff\ufffd\ufffe\ue000",
]
"""What tokenizers are known to stumble over."""


def transformers_version() -> str:
    """The version that is installed; asked for before any work is done that could not be checked.

    Raises:
        InputError: If Transformers is not installed, or cannot be imported.
    """
    try:
        import transformers
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401
    except (ImportError, RuntimeError) as error:  # the second when a part of it does not load
        raise InputError(
            f'--check needs Transformers ({error}): pip install "{REQUIREMENT}", or give --no-check'
        ) from None
    return transformers.__version__


@torch.no_grad()
def check_hugging_face(
    folder: Path,
    network: Qwen3ForCausalLM,
    tokenizer: Tokenizer,
    *,
    dtype: torch.dtype,
    end_of_text: int,
    texts: Sequence[str] = (),
) -> list[Finding]:
    """Compares weights, sizes, logits, greedy text, token ids and the end token.

    Nothing that the folder might bring is executed, and no network is asked.

    Args:
        network: On the CPU. It is rounded to ``dtype`` and then computes in float32, so that a
            second copy of it need not fit into memory; afterwards it is not what it was.
        dtype: That of the weights in the folder.
        end_of_text: The id that ends a text.
        texts: More to compare on.
    """
    with _quiet():
        try:
            model, their_tokenizer, complaints = _load(folder)
        except Exception as error:  # whatever Transformers, safetensors or json may raise
            return [Finding("loading", f"fails: {' '.join(str(error).split())}", False)]
        texts = [*texts, *AWKWARD_TEXTS]
        samples = _samples(network, tokenizer, texts)
        rounding = _compare_in_dtype(model, network, samples, dtype)
        network.to(dtype)
        findings = [_compare_weights(model, complaints, network), _compare_sizes(model, network)]
        model.float(), network.float()
        findings += [_compare_logits(model, network, samples), *rounding]
        unused = unused_ids(tokenizer, network.config.vocab_size)
        findings.append(_compare_greedy(model, network, samples, unused, end_of_text))
        findings += _compare_tokenizers(their_tokenizer, tokenizer, texts)
        findings.append(_compare_end(model, their_tokenizer, end_of_text))
        return findings


def _load(folder: Path) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase", list[str]]:
    """What Transformers makes of a folder, and which weights are missing, too many or misshapen."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    safely = {"local_files_only": True, "trust_remote_code": False}
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype="auto", output_loading_info=True, **safely
    )
    model, info = loaded  # a pair, which the types do not say
    complaints = [
        f"{what.removesuffix('_keys')} {', '.join(sorted(map(str, info[what])))}"
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if info.get(what)
    ]
    return model.eval(), AutoTokenizer.from_pretrained(folder, **safely), complaints


def _samples(network: Qwen3ForCausalLM, tokenizer: Tokenizer, texts: Sequence[str]) -> list[Tensor]:
    """Token ids to compare on, ``(1, T)`` int64 each: texts, and a row drawn from all ids."""
    longest = min(LONGEST_TEXT, network.config.max_position_embeddings)
    generator = torch.Generator().manual_seed(0)
    rows = [tokenizer.encode(text).ids[:longest] for text in texts]
    drawn = torch.randint(network.config.vocab_size, (1, longest), generator=generator)
    return [torch.tensor([row]) for row in rows if row] + [drawn]


def _compare_in_dtype(
    theirs: "PreTrainedModel", network: Qwen3ForCausalLM, samples: list[Tensor], dtype: torch.dtype
) -> list[Finding]:
    """How far the folder, as a user loads it, is from the checkpoint; rounding is no mistake."""
    if dtype == torch.float32:
        return []
    largest = 0.0
    for ids in samples:
        difference = theirs(ids, logits_to_keep=1).logits - network(ids, logits_to_keep=1)
        largest = max(largest, float(difference.float().abs().max().nan_to_num(float("inf"))))
    figure = f"last logits lie up to {largest:.2g} from the checkpoint's"
    return [Finding(f"in {dtype_name(dtype)}", figure, largest < float("inf"))]


def _compare_weights(
    model: "PreTrainedModel", complaints: list[str], network: Qwen3ForCausalLM
) -> Finding:
    ours, theirs = network.state_dict(), model.state_dict()
    differing = [
        name
        for name, weight in ours.items()
        if name not in theirs
        or theirs[name].dtype != weight.dtype
        or not torch.equal(theirs[name], weight)
    ]
    differing += sorted(theirs.keys() - ours.keys())
    if complaints or differing:
        named = f"{len(differing)} differ, the first is {differing[0]}" if differing else ""
        return Finding("weights", "; ".join(filter(None, [*complaints, named])), False)
    dtype = dtype_name(network.lm_head.weight.dtype)
    return Finding("weights", f"{len(ours)} tensors equal in {dtype}", True)


def _compare_sizes(theirs: "PreTrainedModel", network: Qwen3ForCausalLM) -> Finding:
    # Each version of Transformers keeps rotary embedding's elsewhere; they show in the logits.
    sizes = {
        name: (getattr(theirs.config, name), value)
        for name, value in vars(network.config).items()
        if hasattr(theirs.config, name) and name not in ("rope_theta", "rope_scaling")
    }
    differing = [f"{name} is {a} and not {b}" for name, (a, b) in sizes.items() if a != b]
    return Finding("config", ", ".join(differing) or f"{len(sizes)} sizes equal", not differing)


def _compare_logits(
    theirs: "PreTrainedModel", network: Qwen3ForCausalLM, samples: list[Tensor]
) -> Finding:
    largest, scale = 0.0, 1.0
    for ids in samples:
        logits = network(ids)
        difference = (theirs(ids).logits - logits).abs().max().nan_to_num(float("inf"))
        largest, scale = max(largest, float(difference)), max(scale, float(logits.abs().max()))
    count = sum(ids.shape[1] for ids in samples)
    allowed = TOLERANCE * scale
    figure = f"largest difference {largest:.1e} ({allowed:.1e} allowed) over {count:,} tokens"
    return Finding("logits", figure, largest <= allowed)


def _compare_greedy(
    theirs: "PreTrainedModel",
    network: Qwen3ForCausalLM,
    samples: list[Tensor],
    unused: list[int],
    end_of_text: int,
) -> Finding:
    """Whether each token of Transformers' greedy text is our likeliest: then our text is the same.

    Where two tokens are as likely within what rounding does, either will do.
    """
    limit = network.config.max_position_embeddings
    prompts = [*samples[: NUM_PROMPTS - 1], samples[-1]]
    total = ties = 0
    for ids in prompts:
        prompt = ids[:, : min(LONGEST_PROMPT, max(1, limit // 2))]
        length, room = prompt.shape[1], min(NUM_NEW_TOKENS, limit - prompt.shape[1])
        if room < 1:
            continue
        row = _greedy(theirs, prompt, room)  # (1, length + new)
        new = row[0, length:]
        logits = network(row[:, :-1])[0, length - 1 :]  # (new, vocab_size)
        scale = max(1.0, float(logits.abs().max()))
        logits[:, unused] = float("-inf")
        if len(new) < room and new[-1] != end_of_text:
            return Finding("greedy text", f"stops after {len(new)} of {room} tokens", False)
        if strangers := set(unused).intersection(new.tolist()):
            return Finding("greedy text", f"holds {max(strangers)}, which is no token", False)
        best, likeliest = logits.max(-1)
        behind = best - logits.gather(-1, new.unsqueeze(-1)).squeeze(-1)
        if (wrong := (behind > 2 * TOLERANCE * scale)).any():
            at = int(wrong.nonzero()[0])
            what = f"token {at + 1} after {prompt.tolist()[0]} is {int(new[at])}"
            return Finding("greedy text", f"{what} and not {int(likeliest[at])}", False)
        total += len(new)
        ties += int((new != likeliest).sum())
    figure = f"{total:,} tokens equal after {len(prompts)} prompts"
    return Finding("greedy text", figure + (f", {ties} of them a tie" if ties else ""), True)


def _greedy(theirs: Any, prompt: Tensor, max_new_tokens: int, **how: Any) -> Tensor:
    how |= {"temperature": None, "top_k": None, "top_p": None}  # which only sampling reads
    how |= {"do_sample": False, "max_new_tokens": max_new_tokens}
    return theirs.generate(prompt, attention_mask=torch.ones_like(prompt), **how)


def _compare_tokenizers(
    theirs: "PreTrainedTokenizerBase", ours: Tokenizer, texts: Sequence[str]
) -> Iterator[Finding]:
    vocabulary, their_vocabulary = ours.get_vocab(), theirs.get_vocab()
    if differing := vocabulary.items() ^ their_vocabulary.items():
        token, _ = min(differing, key=lambda item: item[1])
        figure = f"{token!r} is {their_vocabulary.get(token)} and not {vocabulary.get(token)}"
        yield Finding("vocabulary", figure, False)
    else:
        yield Finding("vocabulary", f"{len(vocabulary):,} tokens equal", True)

    added = ours.get_added_tokens_decoder()
    all_added = "a" + "a ".join(added[index].content for index in sorted(added)) + " b"
    encoded = [(text, ours.encode(text).ids) for text in (*texts, all_added)]
    wrong = [text for text, ids in encoded if theirs(text)["input_ids"] != ids]
    total = sum(len(ids) for _, ids in encoded)
    figure = f"of {wrong[0]!r} differ" if wrong else f"{total:,} equal in {len(encoded)} texts"
    yield Finding("token ids", figure, not wrong)

    for text, ids in encoded:
        for skip in (False, True):
            their_text = theirs.decode(ids, skip_special_tokens=skip)
            if their_text != ours.decode(ids, skip_special_tokens=skip):
                yield Finding("decoded text", f"{their_text!r} is written for {text!r}", False)
                return
    yield Finding("decoded text", f"equal for {len(encoded)} texts", True)


def _compare_end(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", end_of_text: int
) -> Finding:
    """Whether all files name the same end token, and writing ends at it."""
    said = {
        "config.json": model.config.eos_token_id,
        "generation_config.json": model.generation_config.eos_token_id,
        "tokenizer_config.json": tokenizer.eos_token_id,
    }
    right = (end_of_text, [end_of_text])
    if wrong := [f"{file} says {ids}" for file, ids in said.items() if ids not in right]:
        return Finding("end token", f"is {end_of_text}, but {', '.join(wrong)}", False)
    # Nothing but the end token may be written, which has to be the last.
    prompt = torch.tensor([[end_of_text - 1 if end_of_text else 1]])
    row = _greedy(model, prompt, 3, prefix_allowed_tokens_fn=lambda *_: [end_of_text])
    if row.shape[1] != 2:
        return Finding("end token", f"generate goes on behind {end_of_text}", False)
    token = tokenizer.convert_ids_to_tokens(end_of_text)
    return Finding("end token", f"{token} is {end_of_text} everywhere, generate stops at it", True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Transformers from telling what it does."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.enable_progress_bar()
        logging.set_verbosity(verbosity)
