"""OpenTelemetry: turns as spans, for a collector or for the tracing of the application around.

The Events of a turn are folded as they happen, and become spans with their true times when the turn ends. A
collector that is slow or gone costs a turn nothing: a thread of its own exports, and drops what it cannot.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from orchestrator.events import Event, TurnFinished, TurnStarted
from orchestrator.spans import Span, TurnSpans
from specialists.errors import Unavailable
from specialists.threads import in_thread

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider

    from orchestrator.config import TelemetryTable

log = logging.getLogger("antiphon")

CLOSE_SECONDS = 2.0
"""How long closing waits for the last spans to be taken."""

NEEDS = "pip install 'antiphon[telemetry]'"

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"
_PATH = "/v1/traces"


class Telemetry:
    """Takes every Event as it happens. `content` puts what was said and found into the spans as well.

    A turn's span becomes the child of the span that is current where the turn begins.
    """

    def __init__(self, provider: TracerProvider, *, content: bool = False) -> None:
        self._tracer = provider.get_tracer("antiphon", version("antiphon"))
        self._content = content
        self._turns: dict[tuple[str, int], tuple[TurnSpans, Context]] = {}

    def take(self, event: Event) -> None:
        try:
            self._take(event)
        except Exception:  # whatever it is, it is no reason to end a turn
            log.warning("turn %s of %s is missing in the telemetry", event.turn, event.session, exc_info=True)
            self._turns.pop((event.session, event.turn), None)

    async def close(self) -> None:
        """Hand on what is left."""

    def _take(self, event: Event) -> None:
        from opentelemetry.context import get_current

        key = (event.session, event.turn)
        if isinstance(event, TurnStarted):
            self._turns[key] = (TurnSpans(content=self._content), get_current())
        if key not in self._turns:
            return  # of no turn, or of one whose beginning another process saw
        if isinstance(event, TurnFinished):
            folded, parent = self._turns.pop(key)
            self._tell(folded.spans(event), parent, time.time() - event.time)
        else:
            self._turns[key][0].take(event)

    def _tell(self, spans: Sequence[Span], parent: Context, offset: float) -> None:
        """Hand spans on, the first as the parent of the others. `offset` leads to seconds since the epoch."""
        from opentelemetry.trace import set_span_in_context

        turn, *inner = spans
        with self._span(turn, parent, offset) as told:
            within = set_span_in_context(told, parent)
            for span in inner:
                with self._span(span, within, offset):
                    pass

    @contextmanager
    def _span(self, span: Span, parent: Context, offset: float) -> Iterator[Any]:
        from opentelemetry.trace import Status, StatusCode

        def nanoseconds(moment: float) -> int:
            return int((moment + offset) * 1e9)

        told = self._tracer.start_span(
            span.name, parent, attributes=span.attributes, start_time=nanoseconds(span.start)
        )
        for moment in span.moments:
            told.add_event(moment.name, moment.attributes, nanoseconds(moment.time))
        if span.error:
            told.set_status(Status(StatusCode.ERROR))
            told.set_attribute("error.type", span.error)
        yield told
        told.end(nanoseconds(span.end))


class Exporting(Telemetry):
    """Sends the spans to a collector over OTLP/HTTP, and ends the exporter when it is closed."""

    def __init__(self, endpoint: str = "", *, content: bool = False) -> None:
        """Without an endpoint the standard variables name it. Raises Unavailable without the libraries."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import OTELResourceDetector, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise Unavailable("is not installed", part="OpenTelemetry", remedy=NEEDS) from error
        named = {"service.name": "antiphon", "service.version": version("antiphon")}
        # What the environment says of the service goes before what we say.
        resource = Resource.create({**named, **OTELResourceDetector().detect().attributes})
        self._exporter = _Patient(OTLPSpanExporter(endpoint=_address(endpoint) or None))
        # At exit nobody waits: whoever opened this closes it, within a bound.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))  # type: ignore[arg-type]
        super().__init__(self._provider, content=content)

    async def close(self) -> None:
        """Hand on what is left, for at most CLOSE_SECONDS."""
        # A daemon: a collector that does not answer must not keep the process.
        ending = threading.Thread(target=self._provider.shutdown, name="telemetry", daemon=True)
        ending.start()
        await in_thread(ending.join, CLOSE_SECONDS)
        if ending.is_alive():
            log.warning("the last spans are dropped: the collector took too long")
            self._exporter.shutdown()


class _Patient:
    """An exporter that says once when it fails and once when it works again, in our words."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._failing = False
        self._ended = False
        logging.getLogger(type(inner).__module__).addFilter(_not_ours)

    def export(self, spans: Sequence[Any]) -> Any:
        _at_work.exporting = True
        try:
            result = self._inner.export(spans)
        finally:
            _at_work.exporting = False
        failing = result.name != "SUCCESS"
        if failing and not self._failing:
            log.warning("telemetry: the collector does not take spans; those of turns meanwhile are dropped")
        if self._failing and not failing:
            log.warning("telemetry: the collector takes spans again")
        self._failing = failing
        return result

    def shutdown(self) -> None:
        if not self._ended:
            self._ended = True
            self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return bool(self._inner.force_flush(timeout_millis))


_at_work = threading.local()


def _not_ours(_: logging.LogRecord) -> bool:
    """Whether this thread runs the library's exporter for somebody else: then it may say what it likes."""
    return not getattr(_at_work, "exporting", False)


def telemetry(table: TelemetryTable) -> Telemetry | None:
    """What a configuration asks for: its collector, else the tracing that the application around has set up,
    else the collector that the standard variables name. None where there is none of these.

    Raises Unavailable when the configuration asks for it and the libraries are missing.
    """
    if table.endpoint:
        return Exporting(table.endpoint, content=table.content)
    provider = _of_application()
    if provider is not None:
        return Telemetry(provider, content=table.content)
    if not _in_environment():
        return None
    try:
        return Exporting(content=table.content)
    except Unavailable as error:  # the variables may be meant for other programs
        log.warning("no telemetry: %s", error)
        return None


@contextmanager
def continued(headers: Mapping[str, str]) -> Iterator[None]:
    """Within it, turns belong to the trace that a request's headers name (`traceparent`), if they name one.

    A span that is current already, of a server that traces its requests, stays the parent.
    """
    from opentelemetry.context import attach, detach
    from opentelemetry.propagate import extract
    from opentelemetry.trace import get_current_span

    if get_current_span().get_span_context().is_valid:
        yield
        return
    token = attach(extract(headers))
    try:
        yield
    finally:
        detach(token)


def _of_application() -> TracerProvider | None:
    """The provider that the application has set, without loading a library that nobody uses."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    provider = trace.get_tracer_provider()
    return None if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)) else provider


def _in_environment() -> bool:
    """Whether the standard variables ask for spans over OTLP/HTTP."""
    named = any(os.environ.get(name) for name in _ENDPOINTS)
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporters = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",")
    if not named or off or "otlp" not in exporters:
        return False
    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), _HTTP)
    if protocol != _HTTP:
        log.warning("no telemetry: spans are sent as %s, not as %s", _HTTP, protocol)
    return protocol == _HTTP


def _address(endpoint: str) -> str:
    """Where spans go at a collector of this base URL."""
    base = endpoint.rstrip("/")
    return base if not base or base.endswith(_PATH) else base + _PATH
