"""Tests of running the engines on a GPU as they are used; a stand-in engine takes their place."""

import pytest
import torch
from fakes import IdentityEngine

from realtime.engines.protocol import EngineInfo
from realtime.sources.selection import SAMPLE_CLIP
from speed import gpu_loops as loops


@pytest.mark.slow
def test_live_loop_sizes_mixed_and_short_memory_are_each_run_and_memory_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines: list[IdentityEngine] = []
    shares: list[float] = []

    def open_engine(*_: object, say: object) -> IdentityEngine:
        engines.append(IdentityEngine())
        engines[-1].info = EngineInfo("torch", "cuda:0", "fp16")
        return engines[-1]

    monkeypatch.setattr(loops, "open_engine", open_engine)
    monkeypatch.setattr(loops, "_LOOP_FRAMES", 5)
    monkeypatch.setattr(loops, "_MIXED_WH", ((64, 48), (33, 21)))
    monkeypatch.setattr(loops, "_SHORT_OF_MEMORY_WH", (96, 64))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    live, mixed, short = loops.gpu_loops("cuda:0", SAMPLE_CLIP)
    assert live.name == "live loop with engine auto (torch fp16)"
    assert live.value is not None
    assert live.value > 0
    assert (mixed.value, mixed.limit) == (20, 20)
    assert short.met
    assert shares == [0.05, 1.0]
    assert not any(engine.opened for engine in engines)
