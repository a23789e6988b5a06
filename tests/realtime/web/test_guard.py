"""Tests of who may talk to the server, and of hostile requests; all are sent from this machine to itself."""

import asyncio
import io
import socket
import ssl
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image as Pillow
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from web_page import WebPage, certificate

from realtime.errors import OptionError, SinkError
from realtime.options import WebOptions
from realtime.web import guard
from realtime.web.addresses import hosts_of, is_loopback
from realtime.web.guard import Guard, Tokens

LIMIT = 1000
PAGE = Path(guard.__file__).with_name("page")


@pytest.fixture(scope="module")
def page() -> Iterator[WebPage]:
    served = WebPage()
    yield served
    served.close()


def _authority(page: WebPage) -> str:
    return urlsplit(page.url).netloc


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", ""]
)
def test_a_foreign_host_is_refused_whatever_origin_it_brings(page: WebPage, host: str) -> None:
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
        answer = page.ask("GET", "/", headers=headers)
        assert answer.status in (400, 421), answer.body
        assert b"<html" not in answer.body


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://{own}", "http://{own}.evil.example", "http://localhost:1"]
)
@pytest.mark.parametrize("path", ["/api/offer", "/api/command", "/api/image"])
def test_a_foreign_origin_is_refused(page: WebPage, origin: str, path: str) -> None:
    answer = page.post(path, {"command": "next_style"}, Origin=origin.format(own=_authority(page)))
    assert answer.status == 403
    assert page.said == []


def test_a_page_that_says_it_is_another_site_is_refused(page: WebPage) -> None:
    assert page.post("/api/command", {"command": "next_style"}, **{"Sec-Fetch-Site": "cross-site"}).status == 403
    assert page.ask("GET", "/", headers={"Sec-Fetch-Site": "cross-site"}).status == 200, "a link to the page is no harm"


@pytest.mark.parametrize("path", ["/api/offer", "/api/command", "/api/image", "/api/images"])
def test_without_an_origin_nothing_is_changed(page: WebPage, path: str) -> None:
    answer = page.post(path, {"command": "next_style"}, Origin="")
    assert answer.status == 403
    assert "Origin is missing" in answer.json["error"]
    assert page.said == []


def test_its_own_names_and_origin_are_let_in(page: WebPage) -> None:
    port = urlsplit(page.url).port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}"):
        answer = page.ask("GET", "/", headers={"Host": host, "Origin": f"http://{host}"})
        assert answer.status == 200
        assert b"<html" in answer.body


def test_every_answer_has_the_headers_that_keep_others_out(page: WebPage) -> None:
    for path in ("/", "/page.js", "/api/state", "/nowhere"):
        headers = page.ask("GET", path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/..%2f..%2fREADME.md",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page.css/../../server.py",
        "/api/styles/..%2f1.jpg",
        "/api/styles/1e9.jpg",
        "/api/styles/-1.jpg",
        "/api/styles/99999999999999999999.jpg",
        f"/api/styles/{'9' * 5000}.jpg",
        "/api/styles/%ff.jpg",
        "/api/styles/%D9%A1.jpg",
        "/openapi.json",
        "/docs",
    ],
)
def test_no_path_leads_anywhere_else(page: WebPage, path: str) -> None:
    answer = page.ask("GET", path)
    assert answer.status == 404
    assert answer.json["error"]


def test_head_is_answered_like_get_without_the_content(page: WebPage) -> None:
    for path in ("/", "/page.js", "/api/state", "/api/styles", "/api/styles/1.jpg"):
        answer = page.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-type"] == page.ask("GET", path).headers["content-type"]


def test_a_body_of_two_gigabytes_is_refused_before_it_is_sent(page: WebPage) -> None:
    start_s = time.perf_counter()
    answer = page.ask("POST", "/api/image", b"", {"Content-Length": str(2 * 2**30)})
    assert answer.status == 413
    assert "at most 33554432 bytes" in answer.json["error"]
    assert time.perf_counter() - start_s < 5
    assert page.ask("POST", "/", b"", {"Content-Length": "1"}).status == 413, "where nothing is taken"


def test_a_body_without_a_stated_length_is_counted_as_it_comes() -> None:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(routes=[Route("/in", echo, methods=["POST"])])
    guard = Guard(app, frozenset({"testserver"}), "http", Tokens(), {"/in": LIMIT})
    client = TestClient(guard, headers={"Origin": "http://testserver"})

    def parts(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield b"x" * 100

    assert client.post("/in", content=parts(10)).text == "1000"
    refused = client.post("/in", content=parts(11))
    assert refused.status_code == 413
    assert "at most 1000 bytes" in refused.text


def _png_header(width: int, height: int) -> bytes:
    """A PNG that says it is large and holds a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def _image(kind: str, size_wh: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", size_wh, (90, 120, 30)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_png_header(60_000, 60_000), "at most 24 megapixels"),
        (_png_header(5000, 4000), "damaged"),
        (b"", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (_image("PPM"), "not known"),
        (_image("JPEG")[:200], "damaged"),
    ],
    ids=["bomb", "cut", "empty", "head", "ppm", "half"],
)
def test_an_image_that_is_none_is_refused(page: WebPage, content: bytes, words: str) -> None:
    answer = page.ask("POST", "/api/image", content)
    assert answer.status == 400
    assert words in answer.json["error"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP"])
def test_an_image_comes_back_in_full_size_and_as_a_preview(page: WebPage, kind: str) -> None:
    for query, size_wh in (("style=green", (400, 300)), ("style=blue&max_side=100", (100, 75))):
        answer = page.ask("POST", f"/api/image?{query}", _image(kind, (400, 300)))
        assert answer.status == 200, answer.body
        stylized = Pillow.open(io.BytesIO(answer.body))
        assert (stylized.format, stylized.size) == ("PNG", size_wh)
        red, green, blue = stylized.getpixel((20, 20))  # type: ignore[misc]
        assert (green if "green" in query else blue) > 200 > red


def test_transparency_is_kept(page: WebPage) -> None:
    file = io.BytesIO()
    Pillow.new("RGBA", (20, 10), (90, 120, 30, 77)).save(file, "PNG")
    stylized = Pillow.open(io.BytesIO(page.ask("POST", "/api/image?max_side=16", file.getvalue()).body))
    assert stylized.mode == "RGBA"
    assert stylized.getpixel((3, 3))[3] == 77  # type: ignore[index]


@pytest.mark.parametrize(
    "query", ["style=nothing", "strength=2", "strength=nan", "strength=x", "max_side=0", "style=red:x%2Bblue"]
)
def test_a_query_that_means_nothing_is_refused(page: WebPage, query: str) -> None:
    answer = page.ask("POST", f"/api/image?{query}", _image("PNG"))
    assert answer.status == 400
    assert answer.json["error"]


def test_commands_need_json_and_mean_what_keys_mean(page: WebPage) -> None:
    assert page.ask("POST", "/api/command", b'{"command": "next_style"}', {"Content-Type": "text/plain"}).status == 400
    assert page.ask("POST", "/api/command", b"\xff\xfe", {"Content-Type": "application/json"}).status == 400
    assert page.post("/api/command", {"command": "quit"}).status == 400
    for message in (
        {"look": {"style": 3}},
        {"look": {"style": "nothing"}},
        {"look": {"style": "+".join(["red"] * 300)}},
        {"look": {"strength": float("nan")}},
        {"look": {"strength": -1}},
        {"look": {"strength": int("9" * 400)}},
        {"look": {"\ud800": 1}},
        {"select": -1},
    ):
        answer = page.post("/api/command", message)
        assert (answer.status, bool(answer.json["error"])) == (400, True), message
    assert page.said == []
    assert page.post("/api/command", {"command": "next_style"}).json["look"]["style"] == "green"
    assert page.post("/api/command", {"look": {"style": "red", "strength": 0.5}}).json["look"]["strength"] == 0.5
    page.said.clear()


def test_the_page_tells_its_styles_and_shows_them(page: WebPage) -> None:
    styles = page.ask("GET", "/api/styles").json["styles"]
    assert [style["name"] for style in styles] == ["red", "green", "blue"]
    for style in styles:
        answer = page.ask("GET", f"/api/styles/{style['number']}.jpg")
        assert answer.headers["content-type"] == "image/jpeg"
        assert Pillow.open(io.BytesIO(answer.body)).size == (160, 120)
    state = page.ask("GET", "/api/state").json
    assert (state["source"], state["engine"], state["viewers"]) == ("a grey wall", "identity", 0)


@pytest.mark.parametrize("file", sorted(PAGE.iterdir()), ids=lambda file: file.name)
def test_every_file_of_the_page_is_served_as_what_it_is(page: WebPage, file: Path) -> None:
    answer = page.ask("GET", {"index.html": "/", "output.html": "/output"}.get(file.name, f"/{file.name}"))
    assert answer.body == file.read_bytes()
    kind = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}[file.suffix]
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"


@pytest.mark.slow
def test_who_sends_slowly_or_never_reads_holds_up_nobody(page: WebPage) -> None:
    address = urlsplit(page.url)
    lazy = []
    for number in range(6):
        connection = socket.create_connection((address.hostname or "", address.port or 0))
        upload = f"POST /api/image HTTP/1.1\r\nOrigin: http://{address.netloc}\r\nContent-Length: 10000000"
        head = "GET /api/styles HTTP/1.1" if number % 2 else upload
        connection.sendall(f"{head}\r\nHost: {address.netloc}\r\n\r\n".encode())
        lazy.append(connection)
    before = page.written
    for _ in range(20):
        for connection in lazy[::2]:
            connection.sendall(b"x" * 500)  # 10 kB a second
        start_s = time.perf_counter()
        assert page.ask("GET", "/api/state").status == 200
        assert time.perf_counter() - start_s < 2
        time.sleep(0.05)
    assert page.written > before + 10
    for connection in lazy:
        connection.close()
    time.sleep(0.3)
    assert page.ask("POST", "/api/image", _image("PNG")).status == 200, "their places are free again"


def test_the_server_lives_after_all_that(page: WebPage) -> None:
    assert page.ask("GET", "/api/state").json["connections"] == 0


def _guarded(scheme: str = "http") -> TestClient:
    async def hello(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/", hello)])
    guard = Guard(app, frozenset({"box.example"}), scheme, Tokens("the-token", "visitors-token"), {})
    return TestClient(guard, base_url=f"{scheme}://box.example")


@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=the-toke", "?token=the-token&token=the-token", "?token=THE-TOKEN"]
)
def test_without_the_token_there_is_nothing(query: str) -> None:
    answer = _guarded().get(f"/{query}")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "hello" not in answer.text


def test_the_token_is_needed_once_and_then_kept_in_a_cookie() -> None:
    client = _guarded("https")
    first = client.get("/?token=the-token")
    assert first.text == "hello"
    cookie = first.headers["set-cookie"]
    for part in ("token=the-token", "HttpOnly", "SameSite=Strict", "Secure"):
        assert part in cookie
    assert client.get("/").text == "hello"
    assert "set-cookie" not in client.get("/").headers
    assert _guarded().get("/", headers={"Cookie": "token=other"}).status_code == 401


def test_other_machines_are_told_a_token_and_this_one_needs_none() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "192.168.1.7", "box.example", "::")] == [False] * 4
    assert hosts_of("192.168.1.7", 8350) == {"192.168.1.7:8350"}
    assert hosts_of("Box.example", 443) == {"box.example:443", "box.example"}
    assert "127.0.0.1:80" in hosts_of("0.0.0.0", 80)
    assert hosts_of("127.0.0.1", 8350) >= {"localhost:8350", "[::1]:8350", "127.0.0.1:8350"}


def test_a_port_in_use_and_a_certificate_that_is_none_are_told(page: WebPage, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"web: cannot listen on 127.0.0.1 port .* choose another --port"):
        WebPage(options=WebOptions(port=urlsplit(page.url).port or 0))
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    with pytest.raises(SinkError, match=r"tls-cert .*certificate"):
        WebPage(options=WebOptions(port=0, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem"))
    with pytest.raises(OptionError, match="give both or none"):
        WebOptions(tls_cert=tmp_path / "cert.pem")
    with pytest.raises(OptionError, match="no such file"):
        WebOptions(tls_cert=tmp_path / "x.pem", tls_key=tmp_path / "key.pem")
    with pytest.raises(OptionError, match="port 70000"):
        WebOptions(port=70000)


@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_the_address_that_is_told_can_be_opened(host: str) -> None:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")
    served = WebPage(options=WebOptions(host, port=0))
    assert served.ask("GET", "/").status == 200
    served.close()


def test_https_is_served_with_a_certificate(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    served = WebPage(options=WebOptions(port=0, tls_cert=cert, tls_key=key))
    try:
        assert served.url.startswith("https://127.0.0.1:")
        address = urlsplit(served.url)
        context = ssl.create_default_context(cafile=str(cert))
        context.check_hostname = False

        async def fetch() -> bytes:
            reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=context)
            writer.write(f"GET / HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
            content = await reader.read()
            writer.close()
            return content

        assert b"200 OK" in asyncio.run(fetch())
    finally:
        served.close()
