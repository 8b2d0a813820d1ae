"""Turns as OpenTelemetry spans: in memory, over HTTP to a collector that is there, slow or gone."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, StaticSampler

from orchestrator.api.app import build
from orchestrator.config import Config, TelemetryTable
from orchestrator.engine import Orchestrator
from orchestrator.events import TurnFinished
from orchestrator.telemetry import CLOSE_SECONDS, Telemetry, telemetry
from specialists.base import Specialist
from specialists.errors import TransientFailure
from specialists.fakes import Failing, card, words
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator.conftest import Open, cast

PARENT = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRET = "what about my flu"


class Collector:
    """A collector: an HTTP server that keeps the spans of every post."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resource: dict[str, str] = {}
        self.paths: list[str] = []
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                posted = ExportTraceServiceRequest()
                posted.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
                kept.paths.append(self.path)
                for told in posted.resource_spans:
                    kept.resource = {a.key: a.value.string_value for a in told.resource.attributes}
                    for scope in told.scope_spans:
                        kept.spans.extend(scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    opened = Collector()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def engine(folder: Path, *replaced: Specialist, **table: object) -> AbstractAsyncContextManager[Orchestrator]:
    specialists = cast() | {s.card.name: s for s in replaced}
    values = {"engine": {"data": folder / "data", "models": folder}, "telemetry": table}
    config = Config.model_validate(values)
    return Orchestrator.open(config, runtime=LocalRuntime(specialists.values()))


@asynccontextmanager
async def in_memory(content: bool = False) -> AsyncIterator[tuple[Telemetry, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Telemetry(provider, content=content), exporter
    provider.shutdown()


def by_name(spans: tuple[ReadableSpan, ...]) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans}


async def test_the_spans_of_a_turn_lie_within_it(open_engine: Open, picture: Path) -> None:
    before = time.time_ns()
    async with in_memory() as (taking, exporter), open_engine() as orchestrator:
        async for event in orchestrator.session("s").send("What does this page say?", images=[picture]):
            taking.take(event)
    found = by_name(exporter.get_finished_spans())
    assert set(found) == {"turn", "perceive", "recall", "route", "plan", "step ocr", "respond", "remember"}
    turn = found.pop("turn")
    assert turn.parent is None
    assert before < turn.start_time < turn.end_time < time.time_ns()
    for span in found.values():
        assert span.parent is not None
        assert span.parent.span_id == turn.context.span_id
        # Two clocks' worth of rounding.
        assert turn.start_time - 1000 <= span.start_time <= span.end_time <= turn.end_time + 1000
    assert turn.attributes is not None
    assert turn.attributes["session.id"] == "s"
    assert (turn.attributes["antiphon.turn"], turn.attributes["antiphon.outcome"]) == (1, "answered")
    route, plan = found["route"].attributes or {}, found["plan"].attributes or {}
    assert "<|call:ocr|>" in route["antiphon.controls"]  # type: ignore[operator]
    assert plan["antiphon.steps"] == ("ocr",)


async def test_a_failed_step_is_an_error_with_its_code(open_engine: Open) -> None:
    failing = Failing(card("chat"), [TransientFailure("busy", part="chat")], words("Paris."))
    async with in_memory() as (taking, exporter), open_engine(failing) as orchestrator:
        async for event in orchestrator.session().send("What is the capital of France?"):
            taking.take(event)
    steps = [span for span in exporter.get_finished_spans() if span.name == "step chat"]
    assert [span.status.is_ok for span in steps] == [False, True]
    first = steps[0].attributes or {}
    assert (first["error.type"], first["antiphon.then"]) == (TransientFailure.code, "retry")


async def test_what_was_said_is_told_only_when_asked_for(open_engine: Open) -> None:
    quiet, telling = in_memory(), in_memory(content=True)
    async with quiet as (taking, silent), telling as (tells, told), open_engine() as orchestrator:
        async for event in orchestrator.session().send(SECRET):
            taking.take(event)
            tells.take(event)
    assert not [span.name for span in silent.get_finished_spans() if SECRET in span.to_json()]
    assert by_name(told.get_finished_spans())["turn"].attributes["antiphon.request"] == SECRET  # type: ignore[index]


async def test_what_goes_wrong_here_ends_no_turn(open_engine: Open, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(StaticSampler):
        def should_sample(self, *args: object, **more: object) -> NoReturn:
            raise RuntimeError("no")

    provider = TracerProvider(sampler=Broken(Decision.RECORD_AND_SAMPLE), shutdown_on_exit=False)
    taking = Telemetry(provider)
    taking.take(TurnFinished(session="other", turn=3, outcome="answered"))  # began in another process
    async with open_engine() as orchestrator:
        async for event in orchestrator.session().send("hello"):
            taking.take(event)
    assert event.type == "turn.finished"
    assert "missing in the telemetry" in caplog.text


async def test_spans_reach_a_collector_over_http(tmp_path: Path, collector: Collector) -> None:
    async with engine(tmp_path, endpoint=collector.url) as orchestrator:
        async for _ in orchestrator.session("s").send("What is the capital of France?"):
            pass
    assert {span.name for span in collector.spans} >= {"turn", "route", "plan", "step chat"}
    assert collector.resource["service.name"] == "antiphon"
    assert set(collector.paths) == {"/v1/traces"}


async def test_the_standard_variables_name_a_collector_too(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "kitchen")
    async with engine(tmp_path) as orchestrator:
        async for _ in orchestrator.session().send("hello"):
            pass
    assert collector.resource["service.name"] == "kitchen"
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert telemetry(TelemetryTable()) is None


async def test_a_request_continues_the_trace_of_its_client(tmp_path: Path, collector: Collector) -> None:
    async with engine(tmp_path, endpoint=collector.url) as orchestrator:
        transport = httpx.ASGITransport(build(orchestrator))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            headers = {"traceparent": f"00-{PARENT}-00f067aa0ba902b7-01"}
            for sent in (headers, {"traceparent": "nonsense"}, {}):
                answer = await client.post("/sessions/s/turns", json={"text": "hello"}, headers=sent)
                assert answer.status_code == 200
    turns = [span for span in collector.spans if span.name == "turn"]
    traces = [span.trace_id.hex() for span in turns]
    assert traces[0] == PARENT
    assert turns[0].parent_span_id.hex() == "00f067aa0ba902b7"
    assert len(set(traces)) == 3
    assert not turns[1].parent_span_id


@pytest.mark.parametrize("listens", [False, True], ids=["gone", "mute"])
async def test_a_collector_that_takes_nothing_costs_a_turn_nothing(
    tmp_path: Path, listens: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody listens at the port, or somebody who never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listens:
            server.close()
        async with engine(tmp_path, endpoint=f"http://127.0.0.1:{port}") as orchestrator:
            events = [event async for event in orchestrator.session().send("hello")]
            closing = time.perf_counter()
        took = time.perf_counter() - closing
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].outcome == "answered"
    # Closing the rest of an engine takes well under a second.
    assert took < CLOSE_SECONDS + 3
    assert [r for r in caplog.records if r.name == "antiphon" and "collector" in r.message]
    assert not [r for r in caplog.records if r.name.startswith("opentelemetry")]


def test_an_endpoint_is_an_address() -> None:
    with pytest.raises(ValueError, match="endpoint"):
        TelemetryTable(endpoint="localhost:4318")


_APPLICATION = """
import json
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

from orchestrator.config import TelemetryTable
from orchestrator.events import Routed, TurnFinished, TurnStarted
from orchestrator.telemetry import telemetry
from specialists.content import message

taking = telemetry(TelemetryTable())
with trace.get_tracer("mine").start_as_current_span("mine"):
    taking.take(TurnStarted(turn=1, message=message("user", "hello")))
taking.take(Routed(turn=1, controls=(), controller="fitted", margin=1.0))
taking.take(TurnFinished(turn=1, outcome="answered"))
spans = exporter.get_finished_spans()
print(json.dumps({s.name: [s.context.span_id, s.parent and s.parent.span_id] for s in spans}))
"""


def test_an_application_that_traces_finds_turns_in_its_own_trace() -> None:
    done = subprocess.run([sys.executable, "-c", _APPLICATION], capture_output=True, text=True, check=True)
    spans = json.loads(done.stdout)
    assert spans["turn"][1] == spans["mine"][0]
    assert spans["route"][1] == spans["turn"][0]


def test_nothing_is_loaded_that_nobody_asked_for() -> None:
    program = (
        "import sys; from orchestrator.telemetry import telemetry;"
        "from orchestrator.config import TelemetryTable;"
        "assert telemetry(TelemetryTable()) is None; assert 'opentelemetry.sdk' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
