"""Runs that continue a published network: what they take from it, and how they go on."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml
from command_line import Run, complains
from pdf_writer import made_up_pages, write_pdf
from run_folder import scalars
from safetensors.torch import load_file
from their_network import their_config

from qwen_pl.commands.check_resume import _prepared_config
from qwen_pl.data.tokens.tokenizer import save_tokenizer, train_tokenizer
from qwen_pl.errors import InputError
from qwen_pl.export.pretrained import load_pretrained
from qwen_pl.model.config import ARCHITECTURES, Qwen3Config
from qwen_pl.training.checkpoints.checkpoint import load_network
from qwen_pl.training.module import Qwen3Module

ROWS = 384


@pytest.fixture(scope="session")
def tokenizer_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "tokenizer"
    texts = [line for page in made_up_pages(3) for line in page]
    save_tokenizer(train_tokenizer(texts, vocab_size=330), folder)
    return folder


@pytest.fixture
def published(folder: Path, tokenizer_dir: Path) -> Path:
    """A small network as Transformers saves it, in shards and bfloat16, with its tokenizer."""
    sizes = their_config(vocab_size=ROWS, tie_word_embeddings=False, initializer_range=0.1)
    torch.manual_seed(3)
    network = transformers.Qwen3ForCausalLM(sizes).to(torch.bfloat16)
    network.save_pretrained(folder / "published", max_shard_size="8KB")
    for file in tokenizer_dir.iterdir():
        shutil.copy(file, folder / "published")
    return folder / "published"


@pytest.fixture
def continued(config: Path, published: Path) -> Path:
    """The config of a small run that continues the published network."""
    settings = yaml.safe_load(config.read_text())
    settings["model"] = {"from_pretrained": "published", "lr": 1e-2, "warmup_steps": 2}
    config.write_text(yaml.safe_dump(settings))
    return config


def weights_file(run: str, step: int) -> Path:
    return Path(f"lightning_logs/{run}/checkpoints/step={step:08d}.ckpt")


def weights(run: str, step: int) -> dict[str, torch.Tensor]:
    return load_network(weights_file(run, step))[0].state_dict()


def stored(folder: Path) -> dict[str, torch.Tensor]:
    tensors = {}
    for file in folder.glob("*.safetensors"):
        tensors |= load_file(file)
    return {name: tensor.float() for name, tensor in tensors.items()}


def test_a_run_starts_from_the_published_weights_and_logits(
    qwen_pl: Run, continued: Path, published: Path
) -> None:
    outcome = qwen_pl("fit", "--config", continued, "--trainer.max_steps", 1, "--model.lr", 0)
    assert outcome.code == 0, outcome.err
    assert "starting from the weights of published, with tokenizer published" in outcome.err
    ours, rest = load_network(weights_file("small", 1))
    theirs = transformers.Qwen3ForCausalLM.from_pretrained(published, dtype=torch.float32)
    input_ids = torch.randint(0, ROWS, (2, 13))
    with torch.no_grad():
        torch.testing.assert_close(ours(input_ids), theirs(input_ids).logits, rtol=1e-5, atol=1e-5)
    assert ours.config.max_position_embeddings == 64  # and not data.seq_len
    assert ours.config.rope_theta == 5000.0
    assert rest["qwen_pl"]["from_pretrained"] == "published"  # for whoever has to name its origin


def test_a_run_goes_on_learning_resumes_bit_for_bit_and_writes(
    qwen_pl: Run, continued: Path, published: Path
) -> None:
    assert qwen_pl("fit", "--config", continued, "--run", "unbroken").code == 0
    before, after = stored(published), weights("unbroken", 12)
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before)

    options = ["--config", continued, "--run", "broken"]
    stop = ["--trainer.limit_train_batches", 5, "--trainer.max_epochs", 1]
    assert qwen_pl("fit", *options, *stop).code == 0
    assert not weights_file("broken", 12).exists()
    for file in published.glob("*.safetensors*"):
        file.unlink()  # a run that resumes has its own
    outcome = qwen_pl("fit", *options, "--ckpt_path", "last")
    assert outcome.code == 0, outcome.err
    assert "starting from" not in outcome.err
    resumed = weights("broken", 12)
    assert all(torch.equal(resumed[name], after[name]) for name in after)

    assert qwen_pl("validate", *options).code == 0
    outcome = qwen_pl("generate", "--run", "broken", "--prompt", "Ba", "--max_new_tokens", 4)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("Ba")


def test_the_saved_config_repeats_the_run(qwen_pl: Run, continued: Path) -> None:
    qwen_pl("fit", "--config", continued, "--trainer.max_steps", 2)
    saved = "lightning_logs/small/config.yaml"
    assert yaml.safe_load(Path(saved).read_text())["data"]["tokenizer"] == "published"
    outcome = qwen_pl("fit", "--config", saved, "--run", "again")
    assert outcome.code == 0, outcome.err
    one, other = weights("small", 2), weights("again", 2)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_prepare_takes_the_tokenizer_of_the_network(
    qwen_pl: Run, continued: Path, small_data: dict[str, Any]
) -> None:
    # The same data has a tokenizer of its own in the cache.
    Path("plain.yaml").write_text(yaml.safe_dump({"data": small_data}))
    assert "tokenizer/" in qwen_pl("prepare", "--config", "plain.yaml").out
    for _ in range(2):  # the second is a shorter way
        outcome = qwen_pl("prepare", "--config", continued)
        assert outcome.code == 0, outcome.err
        assert "tokenizer  published (330 tokens)" in outcome.out
    outcome = qwen_pl("fit", "--config", continued, "--trainer.max_steps", 1)
    assert outcome.code == 0, outcome.err
    assert "tokens ->" not in outcome.err  # all was there


@pytest.fixture
def deep(continued: Path, published: Path) -> Path:
    """A config that repeats sizes of a published network which no default sizes would go with."""
    deep = {"num_hidden_layers": 30, "num_attention_heads": 15, "num_key_value_heads": 5}
    network = transformers.Qwen3ForCausalLM(their_config(vocab_size=ROWS, **deep))
    network.save_pretrained(published)
    settings = yaml.safe_load(continued.read_text())
    settings["model"] |= {"gradient_checkpointing": 30, "config": {"num_key_value_heads": 5}}
    settings["trainer"] |= {"max_steps": 1, "limit_val_batches": 1}
    settings["samples"] = {"every_n_steps": 0}
    continued.write_text(yaml.safe_dump(settings))
    return continued


@pytest.mark.parametrize("verb", ["prepare", "plot-schedule", "fit", "validate", "test"])
def test_settings_are_held_against_the_sizes_of_the_network_itself(
    qwen_pl: Run, deep: Path, verb: str
) -> None:
    outcome = qwen_pl(verb, "--config", deep)
    assert outcome.code == 0, outcome.err
    if verb == "fit":
        Path("prompts.txt").write_text("Bane tol\n")
        options = ["--data.prompts", "prompts.txt", "--sampling.max_new_tokens", 1]
        outcome = qwen_pl("predict", "--config", deep, *options)
        assert outcome.code == 0, outcome.err
    complains(
        qwen_pl(verb, "--config", deep, "--model.gradient_checkpointing", 31, "--run", "other"),
        "gradient_checkpointing is 31",
        "the network has 30 layers",
    )


def test_check_resume_knows_the_sizes_of_a_published_network(deep: Path) -> None:
    assert _prepared_config(["--config", str(deep)]).model.config.num_attention_heads == 15


def test_what_needs_no_weights_is_done_where_a_network_is_out_of_reach(
    qwen_pl: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    settings = yaml.safe_load(config.read_text())
    settings["model"] = {"from_pretrained": "Qwen/Qwen3-4B", "gradient_checkpointing": 36}
    config.write_text(yaml.safe_dump(settings))
    outcome = qwen_pl("plot-schedule", "--config", config)
    assert outcome.code == 0, outcome.err
    complains(qwen_pl("fit", "--config", config), "no config.json of Qwen/Qwen3-4B")


def test_a_vocabulary_is_resized_to_another_tokenizer_on_request(
    qwen_pl: Run, continued: Path, published: Path
) -> None:
    texts = [line for page in made_up_pages(3, seed=2) for line in page]
    save_tokenizer(train_tokenizer(texts, vocab_size=400), Path("larger"))
    options = ["--config", continued, "--data.tokenizer", "larger", "--trainer.max_steps", 1]
    complains(
        qwen_pl("fit", *options),
        "larger has 400 ids",
        "published has 384 rows",
        "resize_vocabulary",
    )
    assert not Path("lightning_logs").exists()
    options += ["--model.lr", 0, "--model.resize_vocabulary", "true"]
    outcome = qwen_pl("fit", *options)
    assert outcome.code == 0, outcome.err
    assert "from 384 to 448 rows" in outcome.err
    assert "means something else" in outcome.err
    before, after = stored(published), weights("small", 1)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert torch.equal(after[name][:384], before[name])
        torch.testing.assert_close(after[name][447], before[name].mean(0))


def test_a_vocabulary_is_cut_to_a_smaller_tokenizer_on_request(
    qwen_pl: Run, continued: Path, published: Path
) -> None:
    save_tokenizer(train_tokenizer(["Bane tol ri."] * 9, vocab_size=262), Path("smaller"))
    options = ["--config", continued, "--data.tokenizer", "smaller", "--trainer.max_steps", 1]
    outcome = qwen_pl("fit", *options, "--model.lr", 0, "--model.resize_vocabulary", "true")
    assert outcome.code == 0, outcome.err
    before, after = stored(published), weights("small", 1)
    assert after["lm_head.weight"].shape == (320, 24)
    assert torch.equal(after["lm_head.weight"], before["lm_head.weight"][:320])


def test_what_has_no_weights_may_be_given_and_is_told(qwen_pl: Run, continued: Path) -> None:
    yarn = '{"factor": 4.0, "original_max_position_embeddings": 64}'
    options = ["--model.config.rope_scaling", yarn, "--model.config.rms_norm_eps", 1e-5]
    outcome = qwen_pl("fit", "--config", continued, "--trainer.max_steps", 1, *options)
    assert outcome.code == 0, outcome.err
    assert "model.config.rms_norm_eps is 1e-05, published is 1e-06" in outcome.err
    assert "model.config.rope_scaling is RopeScaling(factor=4.0" in outcome.err
    network, _ = load_network(weights_file("small", 1))
    assert network.config.rope_scaling.factor == 4
    assert network.config.max_position_embeddings == 256


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model.from_pretrained", "nowhere"], ["no such folder: nowhere"]),
        (["--model.from_pretrained", "../x"], ["no such folder: ../x"]),
        (
            ["--model.config.hidden_size", "16", "--model.config.num_hidden_layers", "2"],
            ["hidden_size is 16, not 24", "num_hidden_layers is 2, not 3", "published"],
        ),
        (["--model.architecture", "qwen3-0.6b"], ["model.from_pretrained has an architecture"]),
        (["--data.tokenizer", "nowhere"], ["no tokenizer in nowhere"]),
        (["--model.resize_vocabulary", "perhaps"], ["resize_vocabulary"]),
    ],
)
def test_fit_names_what_is_wrong(
    qwen_pl: Run, continued: Path, folder: Path, options: list[str], words: list[str]
) -> None:
    complains(qwen_pl("fit", "--config", continued, *options), *words)
    assert not (folder / "lightning_logs").exists()


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.json", ["no config.json in published"]),
        ("tokenizer.json", ["no tokenizer in published", "data.tokenizer"]),
        ("model-00001-of-*", ["no model-00001-of-", "index.json names"]),
        ("*.safetensors*", ["no model.safetensors in published"]),
    ],
)
def test_what_the_folder_lacks_is_named_before_anything_is_prepared(
    qwen_pl: Run, continued: Path, published: Path, missing: str, words: list[str]
) -> None:
    for file in published.glob(missing):
        file.unlink()
    outcome = qwen_pl("fit", "--config", continued, "--data.cache_dir", "fresh")
    complains(outcome, *words)
    assert not Path("fresh").exists()
    assert not Path("lightning_logs").exists()


@pytest.fixture
def named(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config of a run from scratch with the sizes of an architecture that takes no time."""
    sizes = Qwen3Config(
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=10,
        tie_word_embeddings=False,
    )
    monkeypatch.setitem(ARCHITECTURES, "qwen3-minute", sizes)
    settings = yaml.safe_load(config.read_text())
    settings["model"] = {"architecture": "qwen3-minute"}
    config.write_text(yaml.safe_dump(settings))
    return config


def test_an_architecture_gives_the_sizes_and_the_data_the_rest(qwen_pl: Run, named: Path) -> None:
    outcome = qwen_pl("fit", "--config", named, "--trainer.max_steps", 1)
    assert outcome.code == 0, outcome.err
    network, _ = load_network(weights_file("small", 1))
    # data.vocab_size is 320 and data.seq_len 24
    rest = {"vocab_size": 320, "max_position_embeddings": 24}
    assert network.config == replace(ARCHITECTURES["qwen3-minute"], **rest)
    saved = "lightning_logs/small/config.yaml"
    outcome = qwen_pl("fit", "--config", saved, "--run", "again")
    assert outcome.code == 0, outcome.err


def test_a_printed_config_has_the_sizes_of_the_architecture(qwen_pl: Run, folder: Path) -> None:
    outcome = qwen_pl("fit", "--model.architecture", "qwen3-14b", "--print_config")
    assert outcome.code == 0, outcome.err
    printed = yaml.safe_load(outcome.out)["model"]
    assert printed["architecture"] == "qwen3-14b"
    assert printed["config"]["intermediate_size"] == 17_408
    assert printed["config"]["tie_word_embeddings"] is False


def test_sizes_that_contradict_the_architecture_are_named(qwen_pl: Run, named: Path) -> None:
    for verb in ("fit", "prepare"):
        outcome = qwen_pl(verb, "--config", named, "--model.config.hidden_size", 512)
        complains(outcome, "hidden_size is 512, not 24 as in model.architecture qwen3-minute")


@pytest.mark.parametrize("verb", ["fit", "prepare"])
def test_a_misspelt_architecture_is_answered_with_the_nearest(
    qwen_pl: Run, config: Path, verb: str
) -> None:
    outcome = qwen_pl(verb, "--config", config, "--model.architecture", "qwen3-17b")
    complains(outcome, "no architecture qwen3-17b: did you mean qwen3-1.7b?")


def test_in_python_the_network_is_given_to_the_module(published: Path) -> None:
    with pytest.raises(InputError, match="load_pretrained"):
        Qwen3Module(from_pretrained=str(published)).configure_model()
    network = load_pretrained(published)
    module = Qwen3Module(network.config)
    module.model = network
    module.configure_model()
    assert module.model is network


def test_resizing_needs_something_to_resize(qwen_pl: Run, config: Path) -> None:
    outcome = qwen_pl("fit", "--config", config, "--model.resize_vocabulary", "true")
    complains(outcome, "model.resize_vocabulary needs model.from_pretrained")


def test_published_weights_are_measured_before_the_first_step(
    qwen_pl: Run, continued: Path, published: Path, folder: Path
) -> None:
    write_pdf(folder / "other.pdf", made_up_pages(2, seed=1))
    noisy = ["--config", continued, "--model.input_noise", 0.1]  # which draws random numbers
    options = [*noisy, "--data.reference_text", "other.pdf"]
    before = rows(qwen_pl("validate", *options).out)
    half = ["--trainer.limit_train_batches", 5, "--trainer.max_epochs", 1]
    outcome = qwen_pl("fit", *options, *half)
    assert outcome.code == 0, outcome.err
    zero = f"reference_bits_per_byte {before['reference_bits_per_byte']}"
    assert zero in outcome.err
    logged = scalars(folder / "lightning_logs/small", "reference_bits_per_byte")
    assert list(logged) == [0, 4]
    assert f"{logged[0]:.4f}" == before["reference_bits_per_byte"]

    outcome = qwen_pl("fit", *options, "--ckpt_path", "last")
    assert "before training:" not in outcome.err
    assert f"({before['reference_bits_per_byte']} before training)" in outcome.out
    assert qwen_pl("fit", *noisy, "--run", "plain").code == 0
    resumed, plain = weights("small", 12), weights("plain", 12)
    assert all(torch.equal(resumed[name], plain[name]) for name in plain)
    assert "before training" not in qwen_pl("validate", "--config", continued).out.split("val_")[0]


def test_validate_measures_published_weights_where_there_is_no_checkpoint(
    qwen_pl: Run, continued: Path, published: Path
) -> None:
    first = qwen_pl("validate", "--config", continued)
    assert first.code == 0, first.err
    assert "measuring the weights of published" in first.err
    assert not Path("lightning_logs").exists()
    qwen_pl("fit", "--config", continued)
    trained = qwen_pl("validate", "--config", continued)
    assert "measuring the weights" not in trained.err
    again = qwen_pl("validate", "--config", continued, "--ckpt_path", "none")
    assert rows(again.out) == rows(first.out)
    assert rows(again.out)["val_loss"] > rows(trained.out)["val_loss"]


def rows(out: str) -> dict[str, str]:
    """The values that ``validate`` prints."""
    pairs = (line.split() for line in out.splitlines() if line.startswith(("val_", "reference_")))
    return {name: value for name, value, *_ in pairs}
