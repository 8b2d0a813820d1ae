"""transformers probes for a package called `kernels`; ours must be invisible to it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

FORWARD = """
import torch
import kernels
from transformers import LlamaConfig, LlamaForCausalLM

assert not hasattr(kernels, "__version__")
config = LlamaConfig(
    vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
    num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=16,
)
logits = LlamaForCausalLM(config)(torch.tensor([[1, 2, 3]])).logits
assert logits.shape == (1, 3, 32), logits.shape
print("forward", kernels.__file__)
"""


def test_our_package_init_is_empty() -> None:
    assert (ROOT / "kernels" / "__init__.py").read_bytes() == b""


def test_the_other_distribution_of_that_name_is_not_installed() -> None:
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution("kernels")


def test_a_transformers_model_runs_with_our_folder_first_on_the_path() -> None:
    # The working folder is the first entry of the path of `python -c`.
    done = subprocess.run(
        [sys.executable, "-c", FORWARD], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(ROOT / "kernels" / "__init__.py") in done.stdout
