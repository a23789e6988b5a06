"""Tests of what is said where a network would take more memory than there is."""

import re
from pathlib import Path

import pytest

from realtime.errors import EngineMemoryError
from realtime.look import Look
from realtime.media import image_memory
from realtime.style import Style
from realtime.videos.network_memory import check_network_memory


@pytest.mark.parametrize("size_wh", [(1100, 900), (4000, 3000), (12000, 1000)])
def test_what_is_recommended_fits(size_wh: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_memory, "available_bytes", lambda: 1_000_000_000)
    looks = [Look(Style("a", "fast", Path("fine.safetensors"), None, "", None, None), 1.0, False, 0.0)]
    check_network_memory("image a.png", size_wh, 1.0, looks)
    said = r"image a\.png: is stylized at \d+x\d+ px, .* --tile 1024, or --max-side (\d+)"
    with pytest.raises(EngineMemoryError, match=said) as refused:
        check_network_memory("image a.png", size_wh, 0.5, looks)
    found = re.search(said, str(refused.value))
    assert found
    side = int(found[1])
    shrunk_wh = (side, round(side * size_wh[1] / size_wh[0]))
    check_network_memory("image a.png", shrunk_wh, 0.5, looks)
