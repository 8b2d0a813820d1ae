"""The controllers that a configuration asks for."""

from __future__ import annotations

from pathlib import Path

from orchestrator.config import ControllerTable
from orchestrator.controller.exemplar import ExemplarController
from orchestrator.controller.features import Embed
from orchestrator.controller.hybrid import HybridController
from orchestrator.controller.llm import Call, LlmController
from orchestrator.controller.route import Controller
from orchestrator.controller.router import FOLDER, FittedController, FittedRouter

ByExample = ExemplarController | FittedController


def by_example(table: ControllerTable, embed: Embed | None, folder: Path = FOLDER) -> ByExample:
    """The controller that asks no LLM: the fitted one where there is a router, else exemplars.

    Raises BadConfig when the table asks for a router that is not there or cannot be used.
    """
    if table.kind == "exemplar" or (table.kind != "fitted" and not FittedRouter.present(folder)):
        return ExemplarController(embed=embed)
    return FittedController(FittedRouter(folder), ExemplarController(embed=embed))


def controller(table: ControllerTable, quick: ByExample, call: Call) -> Controller:
    """The controller of a configuration. `quick` is `by_example` of it, `call` runs a specialist."""
    if table.kind in ("exemplar", "fitted"):
        return quick
    by_llm = LlmController(call, quick)
    return by_llm if table.kind == "llm" else HybridController(quick, by_llm, table.margin)
