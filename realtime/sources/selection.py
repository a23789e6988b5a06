"""What `--source` means."""

import math
from pathlib import Path

from realtime.errors import OptionError, SourceError
from realtime.options import RunOptions
from realtime.sources.pattern import DEFAULT_SIZE_WH, PatternSource
from realtime.sources.protocol import Source

SAMPLE_CLIP = Path(__file__).resolve().parent / "sample.mp4"


def open_source(name: str, options: RunOptions, camera_size_wh: tuple[int, int], loop_sample: bool = False) -> Source:
    """Opens what `--source` names.

    Args:
        name: camera number, path or part of its name, URL, video file, "sample" or "pattern".
        options: size and pacing.
        camera_size_wh: what a camera is asked for when no size is given.
        loop_sample: play the sample clip again and again.

    Raises:
        SourceError: it does not open.
        OptionError: it cannot be read unpaced.
    """
    name = device_of(name)
    is_camera = name.isdecimal() or name.startswith("/dev/")
    is_stream = "://" in name
    if options.unpaced and (is_camera or is_stream):
        raise OptionError(f"unpaced with source {name}: cameras and streams set their own pace; leave --unpaced out")
    if is_camera or is_stream:
        from realtime.sources.camera import GIVE_UP_AFTER_S, open_camera, open_stream

        if is_stream:
            return open_stream(name, options.size_wh)
        # An exhibition waits for a camera that was pulled out as long as it takes.
        patience_s = GIVE_UP_AFTER_S if options.show.kiosk is None else math.inf
        device = int(name) if name.isdecimal() else name
        return open_camera(device, options.size_wh or camera_size_wh, patience_s)
    if name == "pattern":
        return PatternSource(options.size_wh or DEFAULT_SIZE_WH, paced=not options.unpaced)
    from realtime.sources.video_file import VideoFileSource

    if name == "sample":
        return VideoFileSource(SAMPLE_CLIP, "sample clip", options.size_wh, not options.unpaced, loop_sample)
    return VideoFileSource(Path(name), Path(name).name, options.size_wh, not options.unpaced)


def device_of(name: str) -> str:
    """The device of the camera that part of a name means; whatever means something else stays as it is."""
    if name in ("sample", "pattern") or name.isdecimal() or "/" in name or Path(name).exists():
        return name
    from realtime.sources.cameras import cameras_named, find_camera

    return find_camera(name).device if cameras_named(name) else name


def open_default_source(options: RunOptions, camera_size_wh: tuple[int, int], loop_sample: bool) -> tuple[Source, str]:
    """Opens camera 0, or the sample clip where it does not open.

    Returns:
        The source, and one line that says why it is the sample clip ("" for the camera).
    """
    if options.unpaced:
        return open_source("sample", options, camera_size_wh), "unpaced without a source: the sample clip"
    try:
        return open_source("0", options, camera_size_wh), ""
    except SourceError as error:
        sample = open_source("sample", options, camera_size_wh, loop_sample)
        return sample, f"no camera ({error}): playing the sample clip instead; choose with --source"
