"""A turn detector in a file: what it is given, and files that are none. The model here is a made one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from orchestrator.speech.ears import RATE
from orchestrator.speech.smart_turn import SmartTurn
from specialists.errors import BadConfig, Unavailable
from specialists.models import ModelStore


def model(path: Path, shape: tuple[int, int], operator: str = "Sigmoid") -> str:
    """A model that answers with `operator` of the mean of its spectrum. Returns its URI."""
    given = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", *shape])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 1])
    nodes = [
        helper.make_node("Flatten", ["features"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node(operator, ["mean"], ["answer"]),
    ]
    graph = helper.make_graph(nodes, "turn", [given], [answer])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return f"path:{path}"


def test_the_end_of_what_was_said_is_judged(tmp_path: Path) -> None:
    detector = SmartTurn(ModelStore(tmp_path), model(tmp_path / "turn.onnx", (80, 800)))
    noise = np.random.default_rng(1).normal(0, 0.1, 20 * RATE).astype(np.float32)
    full, short = detector.probability(noise, ""), detector.probability(noise[:RATE], "")
    # Only the last 8 s count, and not how loud they are; a short sound has silence before it.
    assert full == pytest.approx(detector.probability(noise[-8 * RATE :], ""), abs=1e-6)
    assert full == pytest.approx(detector.probability(noise / 5, ""), abs=1e-3)
    assert 0 < short < full < 1
    assert 0 <= detector.probability(np.zeros(0, np.float32), "") <= 1


def test_an_answer_outside_of_its_range_is_kept_in_it(tmp_path: Path) -> None:
    detector = SmartTurn(ModelStore(tmp_path), model(tmp_path / "turn.onnx", (80, 800), "Neg"))
    assert detector.probability(np.zeros(RATE, np.float32), "") == 1.0


def test_what_is_no_turn_detector_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("this is not a model")
    for uri in (f"path:{tmp_path / 'text.onnx'}", model(tmp_path / "other.onnx", (40, 100))):
        with pytest.raises(BadConfig, match="Smart Turn") as caught:
            SmartTurn(ModelStore(tmp_path), uri).load()
        assert "turn_detector" in caught.value.remedy
    with pytest.raises(Unavailable):
        SmartTurn(ModelStore(tmp_path), f"path:{tmp_path / 'missing.onnx'}").load()
