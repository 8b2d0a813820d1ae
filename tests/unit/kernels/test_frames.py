"""The NumPy path against the reference, and what the scores mean."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.frames import cpu, reference

SHAPES = [
    (1, 1, 1),
    (2, 1, 9),
    (3, 7, 5),
    (4, 8, 8),
    (5, 63, 61),
    (2, 48, 64),
    (3, 1, 17, 13),
    (4, 3, 33, 15),
    (2, 4, 9, 31),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_numpy_equals_the_reference(shape: tuple[int, ...], dtype: type) -> None:
    random = np.random.default_rng(len(shape) + shape[-1])
    frames = random.integers(0, 256, shape).astype(np.uint8) if dtype is np.uint8 else random.random(shape)
    frames = frames.astype(dtype)
    got = cpu.frame_change(frames)
    assert got.dtype == np.float32
    assert got.shape == (shape[0],)
    np.testing.assert_allclose(got, reference.frame_change(torch.from_numpy(frames)).numpy(), atol=1e-6)


@given(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_numpy_equals_the_reference_on_any_size(n: int, height: int, width: int, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (n, height, width), dtype=np.uint8)
    truth = reference.frame_change(torch.from_numpy(frames)).numpy()
    np.testing.assert_allclose(cpu.frame_change(frames), truth, atol=1e-6)


def test_bfloat16_is_read_as_float() -> None:
    frames = torch.rand(3, 9, 9).bfloat16()
    expected = cpu.frame_change(frames.float().numpy())
    np.testing.assert_allclose(reference.frame_change(frames).numpy(), expected, atol=1e-6)


def test_scores_run_from_no_change_to_black_to_white() -> None:
    frames = np.zeros((3, 20, 30), np.uint8)
    frames[2] = 255
    assert cpu.frame_change(frames).tolist() == [0.0, 0.0, 1.0]


def test_a_cut_scores_far_above_a_pan() -> None:
    ramp = np.linspace(0, 0.6, 100, dtype=np.float32)[None].repeat(60, 0)
    pan = np.stack([ramp[:, :64], ramp[:, 1:65]])
    cut = np.stack([ramp[:, :64], 1 - ramp[:, :64]])
    assert cpu.frame_change(cut)[1] > 10 * cpu.frame_change(pan)[1]


def test_nan_and_values_outside_are_bounded() -> None:
    frames = np.full((3, 9, 9), np.nan, np.float32)
    frames[1] = 7.0
    frames[2] = -np.inf
    assert cpu.frame_change(frames).tolist() == [0.0, 1.0, 1.0]
    assert reference.frame_change(torch.from_numpy(frames)).tolist() == [0.0, 1.0, 1.0]


def test_no_frames_give_no_scores() -> None:
    assert cpu.frame_change(np.zeros((0, 4, 4), np.uint8)).shape == (0,)
    assert reference.frame_change(torch.zeros(0, 4, 4)).shape == (0,)


@pytest.mark.parametrize("path", [cpu.frame_change, lambda a: reference.frame_change(torch.from_numpy(a))])
def test_other_shapes_and_dtypes_are_refused(path: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        path(np.zeros((4, 4), np.uint8))  # type: ignore[operator]
    with pytest.raises(ValueError, match="must be"):
        path(np.zeros((2, 0, 4), np.uint8))  # type: ignore[operator]
    with pytest.raises(TypeError, match="uint8"):
        path(np.zeros((2, 4, 4), np.int32))  # type: ignore[operator]


def test_the_numpy_path_loads_no_torch() -> None:
    code = "import sys, kernels.frames.cpu; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
