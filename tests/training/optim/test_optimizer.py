"""What the optimizers do to weights, alone, in a run, and across a resume."""

import math
from pathlib import Path

import pytest
import torch
from command_line import Run
from distances import ROUNDED_OTHERWISE, distance
from run_folder import same, weights
from small_networks import backward, build, optimizer_of
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.optim.muon import orthogonal


def reference_muon(weight: Tensor, gradients: list[Tensor], lr: float, decay: float) -> Tensor:
    """Muon as the posts describe it, with the matrix as it stands and no state but the average."""
    average = torch.zeros_like(weight)
    for gradient in gradients:
        average = 0.95 * average + 0.05 * gradient
        x = 0.05 * gradient + 0.95 * average
        x = x / x.square().sum().sqrt()
        for _ in range(5):
            squares = x @ x.T
            x = 3.4445 * x - 4.7750 * (squares @ x) + 2.0315 * (squares @ squares @ x)
        weight = weight * (1 - lr * decay) - lr * 0.2 * math.sqrt(max(weight.shape)) * x
    return weight


def test_muon_moves_hidden_matrices_as_a_plain_reference_does(device) -> None:
    network = build().to(device)
    optimizer = optimizer_of(network)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    gradients: dict[str, list[Tensor]] = {name: [] for name in before}
    for seed in range(3):
        backward(network, seed)
        for name, p in network.named_parameters():
            gradients[name].append(p.grad.clone())
        optimizer.step()
    layers = [name for name, p in before.items() if ".layers." in name and p.ndim == 2]
    assert len(layers) == 3 * 7
    is_rounded = device.type != "cpu"  # its products are then in bfloat16
    for name in layers:
        expected = reference_muon(before[name], gradients[name], 0.02, 0.3)
        moved = distance([network.get_parameter(name) - before[name]], [expected - before[name]])
        assert moved < (4 * ROUNDED_OTHERWISE if is_rounded else 1e-4), name


def test_adamw_moves_all_weights_as_its_formula_says(device) -> None:
    network = build().to(device)
    optimizer = optimizer_of(network, "adamw")
    expected = {name: p.detach().double() for name, p in network.named_parameters()}
    first, second = ({name: torch.zeros_like(p) for name, p in expected.items()} for _ in "12")
    for step in (1, 2, 3):
        backward(network, step)
        for name, p in network.named_parameters():
            gradient = p.grad.double()
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.95 * second[name] + 0.05 * gradient.square()
            root = (second[name] / (1 - 0.95**step)).sqrt() + 1e-8
            decayed = expected[name] * (1 - 0.02 * (0.3 if p.ndim > 1 else 0.0))
            expected[name] = decayed - 0.02 * first[name] / (1 - 0.9**step) / root
        optimizer.step()
    assert optimizer.defaults["fused"]
    assert distance([p.double() for p in network.parameters()], list(expected.values())) < 1e-6


def test_what_muon_leaves_to_adamw_moves_as_with_adamw_alone(device) -> None:
    ours, theirs = build().to(device), build().to(device)
    for network, kind in ((ours, "muon"), (theirs, "adamw")):
        optimizer = optimizer_of(network, kind)
        backward(network, 0)
        optimizer.step()
    for name, p in ours.named_parameters():
        is_muons = ".layers." in name and p.ndim == 2
        assert torch.equal(p, theirs.get_parameter(name)) != is_muons, name


def test_a_first_step_of_muon_is_as_large_as_one_of_adamw() -> None:
    network = build()
    optimizer = optimizer_of(network, lr=0.01, weight_decay=0.0)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    backward(network, 0)
    optimizer.step()
    for name, p in network.named_parameters():
        if ".layers." in name and p.ndim == 2:
            moved = (p - before[name]).square().mean().sqrt().item()
            assert moved == pytest.approx(0.01 * 0.2, rel=0.2), name


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (16, 16)])
def test_orthogonal_brings_all_singular_values_near_one(device, shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(device)
    values = torch.linalg.svdvals(orthogonal(matrix).float())
    assert 0.6 < values.min() < values.max() < 1.3
    assert not orthogonal(torch.zeros(shape, device=device)).any()


def test_muon_takes_neither_embedding_nor_head_and_decays_no_vector() -> None:
    for tied in (True, False):
        hidden, others, vectors = optimizer_of(build(tie_word_embeddings=tied)).param_groups
        heads = ["model.embed_tokens.weight"] + ([] if tied else ["lm_head.weight"])
        assert others["param_names"] == heads
        assert all(".layers." in name and "norm" not in name for name in hidden["param_names"])
        decays = [group["weight_decay"] for group in (hidden, others, vectors)]
        assert decays == [0.3, 0.3, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_restored_optimizer_goes_on_bit_for_bit(
    device: torch.device, dtype: torch.dtype, tmp_path: Path
) -> None:
    network = build().to(device, dtype)
    optimizer = optimizer_of(network)
    backward(network, 0)
    optimizer.step()
    torch.save([network.state_dict(), optimizer.state_dict()], tmp_path / "saved")
    again = build().to(device, dtype)
    restored = optimizer_of(again, lr=7.0)
    saved = torch.load(tmp_path / "saved", weights_only=True)
    again.load_state_dict(saved[0])
    restored.load_state_dict(saved[1])
    for net, opt in ((network, optimizer), (again, restored)):
        for group in opt.param_groups:
            group["lr"] = 0.05  # as a schedule does
        backward(net, 1)
        opt.step()
    for name, p in network.named_parameters():
        assert torch.equal(p, again.get_parameter(name)), name


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_run_learns_and_resumes_bit_for_bit(
    qwen_pl: Run, config: Path, folder: Path, kind: str
) -> None:
    options = ["--config", config, "--model.optimizer", kind, "--model.schedule", "wsd"]
    options += ["--trainer.accumulate_grad_batches", 2]
    whole = qwen_pl("fit", *options, "--run", "whole")
    assert whole.code == 0, whole.err
    qwen_pl("fit", *options, "--run", "broken", "--trainer.max_steps", 7)
    resumed = qwen_pl("fit", *options, "--run", "broken", "--ckpt_path", "last")
    assert resumed.code == 0, resumed.err
    ends = [folder / "lightning_logs" / run / "checkpoints" for run in ("whole", "broken")]
    # A plateau does not depend on max_steps, and that of 7 steps ends where its fall would begin.
    assert same(*(end / "step=00000012.ckpt" for end in ends))
    measured = torch.load(ends[0] / "best.ckpt", weights_only=True)["qwen_pl"]["measured"]
    assert measured["val_loss"] < math.log(320) - 0.2


def test_moments_of_another_optimizer_are_refused(qwen_pl: Run, config: Path) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    outcome = qwen_pl(
        *("fit", "--config", config, "--ckpt_path", "last", "--model.optimizer", "muon")
    )
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert "error: model.optimizer is muon" in outcome.err.splitlines()[-1]


def test_the_settings_of_a_resumed_run_are_those_of_its_config(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 4)
    changes = ["--model.lr", 0.5, "--model.weight_decay", 0.7, "--model.betas", "[0.8,0.9]"]
    options = ["--ckpt_path", "last", "--model.warmup_steps", 1, "--model.min_lr_ratio", 1]
    outcome = qwen_pl("fit", "--config", config, *options, *changes, "--trainer.max_steps", 5)
    assert outcome.code == 0, outcome.err
    saved = folder / "lightning_logs/small/checkpoints/step=00000005.ckpt"
    [state] = torch.load(saved, weights_only=True)["optimizer_states"]
    for group, decay in zip(state["param_groups"], (0.7, 0.0), strict=True):
        assert (group["lr"], group["weight_decay"], group["betas"]) == (0.5, decay, (0.8, 0.9))
    names = [name for group in state["param_groups"] for name in group["param_names"]]
    assert set(names) | {"model.lm_head.weight"} == weights(saved).keys()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lr": -1e-3}, "model.lr is -0.001"),
        ({"lr": float("nan")}, "model.lr is nan"),
        ({"weight_decay": -0.1}, "model.weight_decay is -0.1"),
        ({"betas": (0.9, 1.0)}, r"model.betas is \[0.9, 1.0\]"),
        ({"betas": (0.9,)}, r"model.betas is \[0.9\]"),
        ({"optimizer": "sgd"}, "model.optimizer is sgd: give adamw or muon"),
        ({"schedule": "step"}, "model.schedule is step: give cosine, linear or wsd"),
        ({"decay_shape": "round"}, "model.decay_shape is round"),
        ({"warmup_steps": -1}, "model.warmup_steps is -1"),
        ({"min_lr_ratio": 1.5}, "model.min_lr_ratio is 1.5"),
        ({"decay_ratio": -0.2}, "model.decay_ratio is -0.2"),
    ],
)
def test_an_impossible_setting_is_refused_with_its_value(settings: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Qwen3Module(**settings)
