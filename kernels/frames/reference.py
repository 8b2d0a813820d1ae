"""The truth, in plain PyTorch: how much each frame of a film differs from the one before it.

The score is the mean of two distances of the frames' luma, each in 0..1: the mean absolute difference of an
8 x 8 grid of block means (where light is), and half the summed difference of 32-bin histograms (how much of
it there is). A slow pan moves both little, a cut moves both much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

GRID = 8
BINS = 32
WEIGHTS = (77, 150, 29)
"""Red, green and blue in luma, in 256ths: whole numbers, so that every path gets the same luma exactly."""


def frame_change(frames: Tensor) -> Tensor:
    """Change scores of `frames`: [N, H, W] or [N, C, H, W] -> [N] float32 in 0..1, the first 0.

    uint8 counts 0..255, floats 0..1 (values outside are clamped, NaN counts as 0). C is 3 for RGB; other
    numbers of channels are averaged. Raises ValueError for another shape, TypeError for another dtype.
    """
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, one_hot

    if frames.ndim not in (3, 4) or (frames.shape[0] and 0 in frames.shape):
        raise ValueError(f"frames must be [N, H, W] or [N, C, H, W], not {tuple(frames.shape)}")
    if frames.shape[0] == 0:
        return torch.zeros(0)
    luma = _luma(frames)
    blocks = adaptive_avg_pool2d(luma[:, None].double(), GRID).flatten(1) / 255
    bins = one_hot((luma.flatten(1) * BINS) // 256, BINS).double().mean(1)
    moved = (blocks[1:] - blocks[:-1]).abs().mean(1)
    shifted = (bins[1:] - bins[:-1]).abs().sum(1) / 2
    return torch.cat([torch.zeros(1), ((moved + shifted) / 2).float().cpu()]).to(frames.device)


def _luma(frames: Tensor) -> Tensor:
    import torch

    if frames.dtype.is_floating_point:
        frames = (frames.float().nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * 255).round()
    elif frames.dtype != torch.uint8:
        raise TypeError(f"frames must be uint8 or floating point, not {frames.dtype}")
    frames = frames.long()
    if frames.ndim == 3:
        return frames
    if frames.shape[1] == 3:
        weights = torch.tensor(WEIGHTS, device=frames.device)[None, :, None, None]
        return (frames * weights).sum(1) >> 8
    return frames.sum(1) // frames.shape[1]
