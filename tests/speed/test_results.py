import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from test_comparison import ROW

from realtime.errors import OptionError
from speed.results import Figures, read_figures


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    figures = Figures({"cpu": "abacus", "cores": 2}, "clip.mp4", {"copy GB/s": 3.5}, (ROW, replace(ROW, style="udnie")))
    figures.write_json(tmp_path / "figures.json")
    assert read_figures(tmp_path / "figures.json") == figures


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"rows": [{"style": "candy"}]})])
def test_what_is_no_figures_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "figures.json").write_text(content)
    with pytest.raises(OptionError, match=r"is not what this version of benchmark\.py"):
        read_figures(tmp_path / "figures.json")


def test_a_row_of_another_version_is_refused(tmp_path: Path) -> None:
    row = {**asdict(ROW), "colour": "red"}
    (tmp_path / "f.json").write_text(json.dumps({"machine": {}, "clip": "", "ceilings": {}, "rows": [row]}))
    with pytest.raises(OptionError, match="is not what"):
        read_figures(tmp_path / "f.json")
