"""A web page of fakes for tests, served on this machine only, and a client without a browser."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from fakes import IdentityEngine, make_catalogue, solid
from numpy.typing import NDArray

from realtime.controls import Command, Controls
from realtime.engines.protocol import Engine
from realtime.frame import Frame, Image
from realtime.options import LookOptions, WebOptions
from realtime.sinks.protocol import StylizedFrame
from realtime.sinks.web import WebSink
from realtime.style import Style
from realtime.style_catalogue import Catalogue
from realtime.web.addresses import is_loopback
from realtime.web.webrtc_settings import stay_on_loopback

PATIENCE_S = 20.0
INTERVAL_S = 1 / 30
LOOK = LookOptions(style="red", smoothing=0.0)


class ColourEngine(IdentityEngine):
    """Stylizes everything in the colour of the style: red, green or blue."""

    COLOURS = ((220, 30, 30), (30, 220, 30), (30, 30, 220))

    def _stylize(self, images: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
        stylized = np.empty_like(images)
        assert style.vector is not None
        places = np.broadcast_to(style.vector.reshape(-1), len(images)) if style.vector.size > 1 else None
        for at in range(len(images)):
            place = round(float(places[at] if places is not None else style.vector[0]) / 10)
            stylized[at] = self.COLOURS[place % 3]
        return stylized


def colours(identity: float | None = None) -> Catalogue:
    """Three styles that `ColourEngine` stylizes."""
    return make_catalogue("red", "green", "blue", identity=identity)


@contextmanager
def predicting() -> Iterator[None]:
    """Pages that are opened meanwhile take images as styles: red, green or blue, what an image has most of."""

    def predict(image: Image, name: str, like: Style) -> Style:
        return replace(like, name=name, vector=np.array([10 * image.mean((0, 1)).argmax()], np.float32))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("realtime.web.visitor_styles.is_predicted", lambda _: True)
        patch.setattr("realtime.web.visitor_styles.predict_style", predict)
        yield


@dataclass
class Answer:
    """What an HTTP server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class PageAddress:
    """A served page, wherever it runs.

    Attributes:
        url: of the page.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> Answer:
        """One request as it is written, whatever a browser would make of it; "Origin": "" leaves that out."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=patience_s)
        own = {} if method in ("GET", "HEAD") else {"Origin": f"{address.scheme}://{address.netloc}"}
        if address.query:
            own["Cookie"] = address.query  # the token, as a browser has it after the first answer
        given = {name: value for name, value in {**own, **(headers or {})}.items() if value or name != "Origin"}
        with closing(connection):
            connection.putrequest(method, path, skip_host="Host" in given)
            for name, value in given.items():
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in given and "Transfer-Encoding" not in given:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answered = connection.getresponse()
            return Answer(answered.status, {k.lower(): v for k, v in answered.getheaders()}, answered.read())

    def post(self, path: str, message: object, **headers: str) -> Answer:
        """JSON, as the page sends it."""
        return self.ask("POST", path, json.dumps(message).encode(), {"Content-Type": "application/json", **headers})


class WebPage(PageAddress):
    """A served page with a source that never ends, of one grey; its styles blend when they have an identity.

    Attributes:
        said: commands that viewers sent.
    """

    def __init__(
        self, engine: Engine | None = None, options: WebOptions | None = None, identity: float | None = None
    ) -> None:
        self.engine = engine or ColourEngine()
        catalogue = colours(identity)
        self.controls = Controls(catalogue, 0, LOOK)
        self.said: list[Command] = []
        self.sink = WebSink(options or WebOptions(port=0), self.engine, catalogue, LOOK)
        super().__init__(self.sink.open("a grey wall", self.controls, self._send))
        self._ended = threading.Event()
        self._shooting = threading.Thread(target=self._shoot, daemon=True)
        self.written = 0
        self._shooting.start()

    def close(self) -> None:
        self._ended.set()
        self._shooting.join(PATIENCE_S)
        self.sink.close()

    def _send(self, command: Command) -> None:
        self.said.append(command)
        self.controls.apply(command)

    def _shoot(self) -> None:
        grey = solid((128, 128, 128), (96, 64))
        while not self._ended.is_set():
            look = self.controls.look
            stylized = self.engine.stylize(grey[None], look.style, look.strength)[0]
            frame = Frame(grey, self.written, time.perf_counter(), self.written * INTERVAL_S)
            self.sink.write(StylizedFrame(frame, stylized, stylized))
            self.written += 1
            time.sleep(INTERVAL_S)


class Camera(VideoStreamTrack):
    """A grey image that a client sends, in some size."""

    def __init__(self, size_wh: tuple[int, int] = (96, 64)) -> None:
        super().__init__()
        self._pixels = solid((128, 128, 128), size_wh)

    async def recv(self) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(self._pixels, "rgb24")
        frame.pts, frame.time_base = await self.next_timestamp()
        return frame


class Client:
    """A WebRTC client without a browser; use it within one event loop."""

    def __init__(self, page: PageAddress, camera: Camera | None = None) -> None:
        self._page, self._camera = page, camera
        self._stays = is_loopback(urlsplit(page.url).hostname or "")
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel = self.connection.createDataChannel("commands")
        self.messages: list[dict[str, Any]] = []
        self.track: Any = None
        self.channel.on("message", lambda text: self.messages.append(json.loads(text)))
        self.connection.on("track", self._on_track)

    def _on_track(self, track: Any) -> None:
        self.track = track

    async def connect(self) -> Answer:
        if self._camera is not None:
            self.connection.addTransceiver(self._camera, direction="sendrecv")
        else:
            self.connection.addTransceiver("video", direction="recvonly")
        if self._stays:
            stay_on_loopback(self.connection)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = {
            "sdp": self.connection.localDescription.sdp,
            "mode": "view" if self._camera is None else "send",
        }
        answer = await asyncio.to_thread(self._page.post, "/api/offer", offer)
        if answer.status == 200:
            await self.connection.setRemoteDescription(RTCSessionDescription(answer.json["sdp"], "answer"))
        return answer

    async def image(self) -> Image:
        """The next image that arrives: uint8 (H, W, 3) RGB."""
        frame = await asyncio.wait_for(self.track.recv(), PATIENCE_S)
        return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)

    async def until(self, colour: tuple[int, int, int], at: tuple[float, float] = (0.5, 0.5)) -> Image:
        """Waits until a place of the image, as shares of height and width, has about some colour."""
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            image = await self.image()
            pixel = image[int(at[0] * image.shape[0]), int(at[1] * image.shape[1])]
            if np.abs(pixel.astype(int) - colour).max() < 40:
                return image
        raise AssertionError(f"no image had {colour} at {at}; the last had {pixel.tolist()}")

    async def say(self, message: dict[str, Any]) -> None:
        await wait_for(lambda: self.channel.readyState == "open")
        self.channel.send(json.dumps(message))

    async def close(self) -> None:
        await self.connection.close()


async def wait_for(condition: Callable[[], object]) -> None:
    """Waits until something is true."""
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, "it never became true"
        await asyncio.sleep(0.02)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of our own for this machine."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
        key, hashes.SHA256()
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(*private))
    return cert_path, key_path
