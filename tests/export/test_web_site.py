"""Tests of a site's folder: what is in it, what it never replaces, and that only a checked one appears.

The page itself is tested in `test_site_page.py`.
"""

import hashlib
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from test_site_runtime import package  # noqa: F401 - a fixture

from export.exporter import ExportError
from export.site_browser import SOFTWARE_GPU, Served, find_browser, opened_page
from export.site_check import CheckSetup, check_site
from export.site_runtime import INSTALL_COMMAND, PACKAGE, find_runtime
from export.web_site import write_site
from export_onnx import main
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.weights.checkpoint import StyleCredit, load_checkpoint, save_checkpoint
from realtime import style_catalogue
from realtime.engines.torch_engine import TorchEngine
from realtime.options import EngineOptions
from realtime.style import styles_of_file
from realtime.style_catalogue import Catalogue

SMALL = FastNetShape(width=8, num_blocks=1, head_width=4)
NAMES = ("waves", "night", "a/../b")


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    torch.manual_seed(0)
    network = FastNet(NAMES, SMALL)
    with torch.no_grad():
        network.style_vectors.add_(0.4 * torch.randn_like(network.style_vectors))
    credits_of_styles = [StyleCredit(name, f"stylizer of {name}", "public domain") for name in NAMES]
    save_checkpoint(tmp_path / "fast.safetensors", network, credits_of_styles, {})
    catalogue = style_catalogue.load_catalogue(tmp_path)
    monkeypatch.setattr(style_catalogue, "load_catalogue", lambda network="fast": catalogue)
    return catalogue


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.web_site.check_site", lambda *_: "not checked")


@pytest.mark.usefixtures("unchecked")
def test_the_folder_holds_all_that_a_page_needs(
    catalogue: Catalogue,
    package: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = tmp_path / "my site"
    assert main(["--web", str(site), "--style", "night", "--runtime-dir", str(package)]) == 0
    assert "with 3 styles; not checked" in capsys.readouterr().out
    said = json.loads((site / "styles.json").read_text())
    model = (site / said["model"]).read_bytes()
    assert (len(model), hashlib.sha256(model).hexdigest()) == (said["bytes"], said["sha256"])
    network = load_checkpoint(tmp_path / "fast.safetensors")
    assert isinstance(network, FastNet)
    assert said["vector_size"] == network.vector_size
    assert [style["name"] for style in said["styles"]] == ["night", "waves", "a/../b"], "the chosen one comes first"
    for style in said["styles"]:
        row = network.style_vectors[NAMES.index(style["name"])].detach().numpy()
        assert np.array_equal(np.asarray(style["vector"], np.float32), row)
        assert re.fullmatch(r"thumbnails/\w+\.jpg", style["thumbnail"])
        with Pillow.open(site / style["thumbnail"]) as image:
            assert image.size == (160, 120)
    assert np.array_equal(np.asarray(said["identity"], np.float32), network.identity_vector.detach().numpy())
    assert [credit["source"] for credit in said["credits"]] == [f"stylizer of {name}" for name in NAMES]
    assert (site / "runtime" / "LICENSE").is_file()
    assert "python -m http.server -d 'my site'\n" in (site / "README.md").read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.usefixtures("unchecked")
def test_only_a_site_is_replaced_and_only_when_asked(
    catalogue: Catalogue,
    package: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    site, other = tmp_path / "site", tmp_path / "other"
    site.mkdir()  # an empty folder is as good as none
    write_site(site, catalogue, 0, package)
    (site / "left.txt").write_text("of the site before")
    with pytest.raises(ExportError, match="is there already; use --overwrite"):
        write_site(site, catalogue, 0, package)
    write_site(site, catalogue, 0, package, overwrite=True)
    assert not (site / "left.txt").exists()
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    for taken in (other, other / "mine.txt"):
        with pytest.raises(ExportError, match="is no site"):
            write_site(taken, catalogue, 0, package, overwrite=True)
    assert (other / "mine.txt").read_text() == "mine"
    with pytest.raises(ExportError, match="there is no folder"):
        write_site(tmp_path / "gone" / "site", catalogue, 0, package)
    long = tmp_path / ("a" * 250)
    with pytest.raises(OSError, match=f"{long}'"):  # not the hidden name, which nobody knows
        write_site(long, catalogue, 0, package)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.usefixtures("unchecked")
def test_an_interruption_while_one_takes_the_place_of_another_keeps_the_site_that_was_there(
    catalogue: Catalogue,
    package: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, rename = tmp_path / "site", Path.rename
    write_site(site, catalogue, 0, package)
    before, version = sorted(tmp_path.iterdir()), (site / "service-worker.js").read_text()

    targets = []

    def interrupted(path: Path, target: Path) -> Path:
        targets.append(target)
        if targets.count(site) == 1:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_site(site, catalogue, 1, package, overwrite=True)
    assert sorted(tmp_path.iterdir()) == before
    assert (site / "service-worker.js").read_text() == version


def test_nothing_is_kept_when_the_check_fails(
    catalogue: Catalogue,
    package: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> str:
        raise ExportError("site: differs")

    monkeypatch.setattr("export.web_site.check_site", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ExportError, match="differs"):
        write_site(tmp_path / "site", catalogue, 0, package)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("catalogue")
def test_a_missing_runtime_and_unfit_styles_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    site = str(tmp_path / "site")
    assert main(["--web", site]) == 1
    assert f"run {INSTALL_COMMAND}" in capsys.readouterr().err
    monkeypatch.setattr("export.web_site.find_runtime", lambda _: tmp_path)
    assert main(["--web", site, "--style", "waves+night"]) == 1
    assert "visitors blend for themselves" in capsys.readouterr().err
    save_checkpoint(tmp_path / "large.safetensors", FastNet(("a",), FastNetShape(8, 1, 4, 8, 1)), [], {})
    monkeypatch.setattr("export.web_site.write_runtime", lambda *_: None)
    assert main(["--web", site, "--style", str(tmp_path / "large.safetensors")]) == 1
    assert "is too large for a browser; use --network fast" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["--style", "waves", "--runtime-dir", "."], ["--web", "site", "--baked"], ["--web", "site", "-o", "a.onnx"]],
    ids=" ".join,
)
def test_options_that_do_not_go_together_end_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "--help" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_a_browser_a_line_says_that_nothing_was_checked(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = TorchEngine(catalogue, EngineOptions("torch", "cpu", "fp32"))
    assert check_site(tmp_path, catalogue.styles, engine).startswith("not checked, because there is no Chromium")


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="chromium is not installed")
def test_a_browser_compares_the_site_with_the_engine_and_a_wrong_one_is_found(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        runtime = find_runtime(None)
    except ExportError:
        pytest.skip(f"{PACKAGE} is not installed: {INSTALL_COMMAND}")
    said = write_site(tmp_path / "site", catalogue, 0, runtime)
    found = re.search(r"in Chromium its images differ from the engine's by ([\d.]+) of 255", said)
    assert found is not None
    assert float(found[1]) < 0.2
    engine = TorchEngine(catalogue, EngineOptions("torch", "cpu", "fp32"))
    in_software = CheckSetup("webgpu", (62, 45), SOFTWARE_GPU)
    assert "differ from the engine's by 0." in check_site(tmp_path / "site", catalogue.styles, engine, in_software)
    torch.manual_seed(1)
    save_checkpoint(tmp_path / "other.safetensors", FastNet(NAMES, SMALL), [], {})
    other = Catalogue(styles_of_file(tmp_path / "other.safetensors"))
    monkeypatch.setattr("export.site_check._looks", lambda styles: [(styles[0].name, 1.0, other.styles[0])])
    engine = TorchEngine(other, EngineOptions("torch", "cpu", "fp32"))
    with pytest.raises(ExportError, match=r"differ from the engine's by [\d.]+ of 255 on average; less than 2"):
        check_site(tmp_path / "site", catalogue.styles, engine)


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands for the browser")
def test_a_browser_that_cannot_run_is_told_at_once(tmp_path: Path) -> None:
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\nexit 21\n")
    browser.chmod(0o755)
    started_s = time.monotonic()
    with (
        opened_page(str(browser), Served(tmp_path, {}), "/page.html") as page,
        pytest.raises(ExportError, match="chromium ended with status 21"),
    ):
        page.answer(20)
    assert time.monotonic() - started_s < 10


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="chromium is not installed")
def test_a_page_that_fails_or_hangs_is_told_and_the_browser_is_gone(tmp_path: Path) -> None:
    import psutil

    script = "<script>fetch('/x/failed', { method: 'POST', body: 'a reason' })</script>"
    served = Served(tmp_path, {"/page.html": script.encode()})
    browser = find_browser()
    assert browser is not None
    with opened_page(browser, served, "/page.html") as page:
        with pytest.raises(ExportError, match="does not work in Chromium: a reason"):
            page.answer(60)
        with pytest.raises(ExportError, match="gave no answer within 0 s"):
            page.answer(0.1)
        processes = [psutil.Process(page.process.pid), *psutil.Process(page.process.pid).children(recursive=True)]
    gone, alive = psutil.wait_procs(processes, timeout=5)
    assert (len(gone) > 1, alive) == (True, [])
