"""What `antiphon doctor` says of a configuration that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.doctor import examine


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('[specialists.foo]\nuse = "no.such.module:create"', "no.such.module"),
        ("[specialists.foo]\nenabled = true", "specialists.foo"),
        ('[specialists.chat]\nmodel = "smollm"', "smollm"),
        ("[specialists.chat]\nunheard_of = 1", "unheard_of"),
        ('[specialists.foo]\nuse = "math:floor"', "real number"),
    ],
)
def test_an_unusable_table_is_a_finding_and_hides_no_other(tmp_path: Path, table: str, named: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[engine]\ndata = "{tmp_path}/data"\nmodels = "{tmp_path}/models"\n{table}\n')
    findings = list(examine(config))
    wrong = [finding for finding in findings if finding.state == "missing"]
    assert wrong
    assert all(named in finding.detail and finding.remedy for finding in wrong)
    assert {"python", "configuration", "machine", "data folder", "package ray"} <= {f.what for f in findings}
