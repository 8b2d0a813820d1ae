"""Makes `specialists/embed_axes.npy`: the main axes of the text encoder's token states.

Memory keeps a small vector of every token of what it remembers, for which 384 dimensions are too many. The
axes are those of the largest second moments (principal components, not centred) of the states of 1,500
sentences, and how much of the states' length they keep is printed. A new store is needed for new axes.

    python benchmarks/axes.py            # a quarter of a minute
"""

from __future__ import annotations

import numpy as np

from orchestrator.cli.models import ensure
from orchestrator.config import load
from orchestrator.controller.exemplars import built_in
from specialists.embed import AXES, TextEncoder
from specialists.models import ModelStore

WIDTH = 64
SENTENCES = 1500


def main() -> None:
    settings = load()
    ensure(settings, ["embed"])
    encoder = TextEncoder(ModelStore(settings.engine.models))
    texts = [exemplar.request.text for exemplar in built_in() if exemplar.request.text][-SENTENCES:]
    moments = np.zeros((0, 0))
    for text in texts:
        _, states, _ = encoder._states([text])
        rows = states[0] / np.linalg.norm(states[0], axis=1, keepdims=True)
        moments = rows.T @ rows if not moments.size else moments + rows.T @ rows
    values, axes = np.linalg.eigh(moments)
    np.save(AXES, axes[:, ::-1][:, :WIDTH].astype(np.float16))
    print(
        f"{WIDTH} of {len(values)} axes keep {values[-WIDTH:].sum() / values.sum():.0%} of the squared length"
    )


if __name__ == "__main__":
    main()
