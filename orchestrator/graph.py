"""The turn as a LangGraph `StateGraph`: its nodes are the verbs, its edges the life of a turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from orchestrator import unsaid, verbs, waiting
from orchestrator.context import TurnContext
from orchestrator.corrections import take_up
from orchestrator.execution import Execution
from orchestrator.plan import Plan


@dataclass(frozen=True, slots=True)
class Scope:
    """What each node is given beside the state."""

    turn: TurnContext
    execution: Execution


class TurnState(TypedDict, total=False):
    """What the verbs found so far."""

    perceived: verbs.Perceived
    plan: Plan | None
    answered: verbs.Answered
    record: str


class TurnGraph:
    """The compiled graph. One graph serves every turn; each turn brings its own context."""

    def __init__(self) -> None:
        graph = StateGraph(TurnState, context_schema=Scope)
        for node in (_perceive, _recall, _route, _execute, _respond, _remember):
            graph.add_node(node.__name__[1:], node)
        graph.add_edge(START, "perceive")
        graph.add_edge("perceive", "recall")
        graph.add_edge("recall", "route")
        graph.add_conditional_edges("route", _next, {"execute": "execute", "wait": END})
        graph.add_edge("execute", "respond")
        graph.add_edge("respond", "remember")
        graph.add_edge("remember", END)
        self._graph = graph.compile()

    async def run(self, context: TurnContext, execution: Execution) -> TurnState:
        """Run one turn to its end. Cancelling the caller cancels the verb at work."""
        state: dict[str, Any] = {}
        scope = Scope(context, execution)
        async for update in self._graph.astream({}, context=scope, stream_mode="updates"):
            for node, found in update.items():
                context.mark(node)
                state.update(found or {})
        await execution.over()
        return TurnState(**state)  # type: ignore[typeddict-item]


async def _perceive(state: TurnState, runtime: Runtime[Scope]) -> dict[str, Any]:
    turn = runtime.context.turn
    return {"perceived": await take_up(turn, await verbs.perceive(turn))}


async def _recall(state: TurnState, runtime: Runtime[Scope]) -> dict[str, Any]:
    scope = runtime.context
    recalling = verbs.recall(scope.turn, state["perceived"])
    if verbs.decides(state["perceived"]):
        await recalling
    else:
        scope.execution.beside(recalling)
    return {}


async def _route(state: TurnState, runtime: Runtime[Scope]) -> dict[str, Any]:
    turn, perceived = runtime.context.turn, state["perceived"]
    own = waiting.take_up(turn, perceived) or unsaid.take_up(turn, perceived)
    return {"plan": own or await verbs.route(turn, perceived)}


async def _execute(state: TurnState, runtime: Runtime[Scope]) -> dict[str, Any]:
    scope = runtime.context
    plan = state["plan"]
    assert plan is not None, "the edge after route leads here only with a plan"
    await verbs.execute(scope.turn, state["perceived"], plan, scope.execution)
    return {}


async def _respond(state: TurnState, runtime: Runtime[Scope]) -> dict[str, Any]:
    scope = runtime.context
    answered = await verbs.respond(scope.turn, state["perceived"], scope.execution.plan, scope.execution)
    return {"answered": answered}


async def _remember(state: TurnState, runtime: Runtime[Scope]) -> dict[str, Any]:
    return {"record": await verbs.remember(runtime.context.turn, state["answered"].text)}


def _next(state: TurnState) -> str:
    return "wait" if state["plan"] is None else "execute"
