"""Whatever is laid over a module of the network acts: hooks see, pruned matrices stay pruned."""

import pytest
import torch
from small_networks import build
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils.hooks import RemovableHandle

from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.devices.layers import make_frugal

SMALL = {"num_hidden_layers": 2}
INPUTS = torch.randint(0, 97, (2, 9), generator=torch.Generator().manual_seed(3))
LABELS = torch.randint(0, 97, (2, 9), generator=torch.Generator().manual_seed(4))
LABELS[1, 5:] = -100

with torch.device("meta"):
    MODULES = {
        name: module
        for name, module in build(**SMALL).named_modules()
        if not isinstance(module, nn.ModuleList)
    }
WITH_WEIGHT = [name for name, module in MODULES.items() if hasattr(module, "weight")]
MATRICES = [name for name in WITH_WEIGHT if isinstance(MODULES[name], nn.Linear)]


def network(kind: str = "plain", **sizes: object) -> Qwen3ForCausalLM:
    made = build(**SMALL | sizes)
    if kind == "frugal":
        make_frugal(made)
    elif kind != "plain":
        made.gradient_checkpointing = kind == "checkpointed" or "selective"
    return made


def gradients(made: Qwen3ForCausalLM) -> dict[str, Tensor]:
    made.zero_grad()
    made(INPUTS, LABELS, z_loss=0.01).backward()
    return {name: parameter.grad for name, parameter in made.named_parameters()}


# Ids have no gradient, so that of what comes in cannot be given for an embedding.
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("kind", ["plain", "frugal", "checkpointed", "selective"])
def test_every_hook_of_every_module_fires_and_changes_nothing(kind: str, tied: bool) -> None:
    made = network(kind, tie_word_embeddings=tied)
    expected = gradients(made)
    seen: set[tuple[str, str]] = set()
    handles: list[RemovableHandle] = []
    hooks = ("forward", "forward_pre", "full_backward", "full_backward_pre")
    for name, module in made.named_modules():
        for hook in hooks if name in MODULES else ():
            register = getattr(module, f"register_{hook}_hook")
            handles.append(register(lambda *_, key=(name, hook): seen.add(key)))
    torch.testing.assert_close(gradients(made), expected)
    assert seen == {(name, hook) for name in MODULES for hook in hooks}
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(gradients(made), expected, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["plain", "frugal", "checkpointed"])
@pytest.mark.parametrize("name", WITH_WEIGHT)
def test_what_is_pruned_is_not_computed_with_and_does_not_learn(name: str, kind: str) -> None:
    made = network(kind, tie_word_embeddings=False)
    module = made.get_submodule(name)
    prune.random_unstructured(module, "weight", amount=0.5)
    kept = module.weight_mask.bool()
    other = network(kind, tie_word_embeddings=False)
    with torch.no_grad():
        other.get_submodule(name).weight.mul_(kept)
    expected = gradients(other)[f"{name}.weight"]
    for _ in range(2):  # the second time too, when the weight is computed anew
        torch.testing.assert_close(gradients(made)[f"{name}.weight_orig"], expected * kept)
    with torch.inference_mode():
        torch.testing.assert_close(made.eval()(INPUTS[:1, :1]), other.eval()(INPUTS[:1, :1]))
    made.to(torch.float64).to(torch.float32)
    torch.testing.assert_close(made(INPUTS, LABELS), other(INPUTS, LABELS))


def test_a_tied_head_can_be_pruned_alone() -> None:
    made = network(tie_word_embeddings=True)
    prune.random_unstructured(made.lm_head, "weight", amount=0.5)
    gone = made.lm_head.weight_mask == 0
    made.to(torch.float64).to(torch.float32)
    made(INPUTS, LABELS).backward()
    assert not made.lm_head.weight[gone].any()
    assert made.model.embed_tokens.weight[gone].all()


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


@pytest.mark.parametrize("kind", ["plain", "frugal", "checkpointed"])
@pytest.mark.parametrize("name", WITH_WEIGHT)
def test_a_parametrized_weight_is_computed_with_and_learns(name: str, kind: str) -> None:
    made, other = (network(kind, tie_word_embeddings=False) for _ in range(2))
    with torch.no_grad():
        other.get_submodule(name).weight.mul_(2)
    parametrize.register_parametrization(made.get_submodule(name), "weight", Doubled())
    torch.testing.assert_close(made(INPUTS, LABELS), other(INPUTS, LABELS))
    learned = gradients(made)[f"{name}.parametrizations.weight.original"]
    torch.testing.assert_close(learned, 2 * gradients(other)[f"{name}.weight"])


@pytest.mark.parametrize("name", MATRICES)
def test_weight_norm_computes_the_same_and_learns(name: str) -> None:
    made, other = (network("frugal", tie_word_embeddings=False) for _ in range(2))
    parametrizations.weight_norm(made.get_submodule(name))
    torch.testing.assert_close(made(INPUTS, LABELS), other(INPUTS, LABELS))
    learned = gradients(made)
    assert learned[f"{name}.parametrizations.weight.original0"].any()
    assert learned[f"{name}.parametrizations.weight.original1"].any()


@pytest.mark.parametrize("name", MATRICES)
def test_a_module_in_the_place_of_a_matrix_is_called(name: str) -> None:
    class Adapter(nn.Module):
        def __init__(self, inner: nn.Linear) -> None:
            super().__init__()
            self.inner = inner
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, x: Tensor) -> Tensor:
            return self.scale * self.inner(x)

    made, other = (network("frugal", tie_word_embeddings=False) for _ in range(2))
    with torch.no_grad():
        other.get_submodule(name).weight.mul_(2)
    made.set_submodule(name, Adapter(made.get_submodule(name)))
    torch.testing.assert_close(made(INPUTS, LABELS), other(INPUTS, LABELS))
    assert gradients(made)[f"{name}.scale"]
