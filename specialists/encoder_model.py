"""The network that is fitted: a sentence encoder that answers three questions about a request at once.

Heads: a logit for each decision, from the mean of the states. Matching: which of several offers the request
asks for. Every token of the request chooses among the offers and none, and an offer is asked for as much as
the token that wants it most (late interaction: Khattab and Zaharia, "ColBERT", 2020). Links: whether one
offer works on the result of another, from the tokens that asked for them (biaffine scoring: Dozat and
Manning, "Deep Biaffine Attention for Neural Dependency Parsing", 2017).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

LINK = 64
"""Width of the two sides of a link."""

SHARPNESS = 14.0
"""How sharply tokens choose at first: what the cosine of a token and an offer is multiplied by."""

NO_OFFER = 6.0
"""The score of choosing none, at first."""


class States(NamedTuple):
    """One batch of texts, encoded."""

    tokens: Tensor
    """Float [rows, tokens, width]."""
    pooled: Tensor
    """Their means: float [rows, width]."""


class Wanted(NamedTuple):
    """What the tokens of requests chose."""

    log_share: Tensor
    """How much each offer is asked for, as a logarithm: float [rows, offers]."""
    at: Tensor
    """The token that asks for it most: int [rows, offers]."""


class RouterNetwork(nn.Module):
    """`folder` holds a BERT-like encoder as Hugging Face writes it; `heads` is the number of decisions."""

    def __init__(self, folder: Path, heads: int) -> None:
        from transformers import AutoModel
        from transformers.utils import logging

        super().__init__()
        logging.disable_progress_bar()
        logging.set_verbosity_error()  # it tells of the pooling layer, which is left out on purpose
        # The eager attention is the one that exports to plain ONNX operators.
        self.encoder: Any = AutoModel.from_pretrained(
            folder, attn_implementation="eager", add_pooling_layer=False
        )
        # Some thousand sentences touch few of the words: moving those alone would set them apart.
        self.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        width = self.encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.Linear(width, heads)
        self.ask, self.offer = _identity(width), _identity(width)
        self.sharpness = nn.Parameter(torch.tensor(math.log(SHARPNESS)))
        self.none = nn.Parameter(torch.tensor(NO_OFFER))
        self.link_token, self.link_offer = nn.Linear(width, 2 * LINK), nn.Linear(width, 2 * LINK)
        self.bilinear = nn.Parameter(torch.zeros(LINK + 1, LINK + 1))

    def encode(self, inputs: dict[str, Tensor]) -> States:
        states = self.encoder(**inputs).last_hidden_state
        weights = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        return States(states, (states * weights).sum(1) / weights.sum(1))

    def decisions(self, states: States) -> Tensor:
        """Logits: float [rows, heads]."""
        return self.heads(self.dropout(states.pooled))

    def asks(self, states: States) -> Tensor:
        """What each token asks for, as long as choices are sharp: float [rows, tokens, width]."""
        return functional.normalize(self.ask(states.tokens), dim=-1) * self.sharpness.exp()

    def offers(self, states: States) -> Tensor:
        """What each text offers: unit vectors, float [rows, width]."""
        return functional.normalize(self.offer(states.pooled), dim=-1)

    def match(self, states: States, may_ask: Tensor, offers: Tensor) -> Wanted:
        """`may_ask` is bool [rows, tokens], `offers` float [offers, width]."""
        scores = self.asks(states) @ offers.T
        none = self.none.expand(*scores.shape[:2], 1)
        shares = functional.log_softmax(torch.cat([none, scores], -1), -1)[..., 1:]
        return Wanted(*shares.masked_fill(~may_ask.unsqueeze(-1), -30.0).max(1))

    def links(self, tokens: Tensor, offers: Tensor) -> Tensor:
        """Logits [k, k] that the column's offer works on the row's result, from the tokens that asked."""
        sides = torch.relu(self.link_token(tokens) + self.link_offer(offers))
        source, target = (functional.pad(side, (0, 1), value=1.0) for side in sides.split(LINK, -1))
        return source @ self.bilinear @ target.T

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Everything that reading a request or an offer needs: see `encoder_heads.OUTPUTS`."""
        states = self.encode(
            {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        )
        offers = self.offers(states)
        return (
            self.decisions(states),
            self.asks(states),
            self.link_token(states.tokens),
            offers,
            self.link_offer(offers),
        )


def _identity(width: int) -> nn.Linear:
    """A layer that changes nothing yet: the encoder's own similarity is where matching starts from."""
    layer = nn.Linear(width, width)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
