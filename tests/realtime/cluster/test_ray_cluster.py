"""Tests of how a connection to Ray fails; a stand-in takes Ray's place."""

import sys
from types import SimpleNamespace

import pytest

from realtime.cluster.ray_cluster import RayCluster
from realtime.errors import OptionError


def connect(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise raised

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, shutdown=lambda: None))
    monkeypatch.setenv("RAY_TMPDIR", "/no such folder")
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    RayCluster("auto", verbose=False)


def test_a_polite_kill_while_it_connects_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        connect(SystemExit(15), monkeypatch)


def test_a_cluster_that_does_not_start_in_time_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match=r"a local cluster cannot be started \(timed out during startup\)"):
        connect(Exception("timed out during startup"), monkeypatch)
