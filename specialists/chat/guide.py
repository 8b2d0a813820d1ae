"""A grammar over what a transformers model writes (llguidance)."""

from __future__ import annotations

from typing import Any

from specialists.errors import BadInput, SpecialistFailed


def guide_tokenizer(tokenizer: Any) -> Any:
    """What a Guide needs to know of a tokenizer. Slow (a second for a large one): keep it.

    Raises BadInput for a tokenizer whose tokens have no plain bytes.
    """
    from llguidance.hf import from_tokenizer

    try:
        return from_tokenizer(tokenizer)
    except (ValueError, TypeError, RuntimeError) as error:
        raise BadInput(
            f"this model's tokenizer cannot follow a grammar: {error}",
            part="grammar",
            remedy="Choose a model with a fast byte-level tokenizer",
        ) from error


class Guide:
    """Follows one answer: rules out the tokens that its grammar forbids, and tells when it is complete."""

    def __init__(self, tokenizer: Any, gbnf: str) -> None:
        """`tokenizer` comes from `guide_tokenizer`. Raises BadInput for a grammar that cannot be used."""
        from llguidance import LLMatcher
        from llguidance.gbnf_to_lark import gbnf_to_lark

        try:
            grammar = LLMatcher.grammar_from_lark(gbnf_to_lark(gbnf))
        except Exception as error:
            raise BadInput(f"not a GBNF grammar: {error}", part="grammar") from error
        if problem := LLMatcher.validate_grammar(grammar, tokenizer):
            raise BadInput(f"the grammar cannot be used: {problem}", part="grammar")
        self._matcher = LLMatcher(tokenizer, grammar)

    @property
    def complete(self) -> bool:
        """Whether nothing more can follow."""
        return bool(self._matcher.is_stopped())

    def take(self, token: int) -> None:
        """The model has written this token. Raises SpecialistFailed for one that was ruled out."""
        if not self._matcher.consume_token(token):
            raise SpecialistFailed("wrote what its grammar forbids", part="grammar")

    def allowed(self, scores: Any) -> Any:
        """Scores of the next token, float [1, vocabulary], with those ruled out at minus infinity."""
        import numpy as np
        import torch

        packed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        # A model may have more places than its tokenizer has tokens, or fewer.
        mask = np.zeros(scores.shape[-1], dtype=bool)
        known = np.unpackbits(packed, bitorder="little")[: len(mask)]
        mask[: len(known)] = known
        return scores.masked_fill(torch.from_numpy(~mask).to(scores.device), -torch.inf)
