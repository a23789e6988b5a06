"""Tests of an exhibition's window, with a fake one, and of the QR code on the image."""

import cv2
import numpy as np
import pytest
from fakes import FakeDisplay, make_stylized, noise

from realtime.controls import Action, Command, SelectStyle, TypeStyle
from realtime.sinks import kiosk
from realtime.sinks.kiosk import KioskSink
from realtime.sinks.qr import QrSink, with_code


class FakeWindow(FakeDisplay):
    """A window with a visitor in front of it, who can close it."""

    def __init__(self) -> None:
        super().__init__({})
        self.pressed: list[Command] = []
        self.closed_by_user = False

    def commands(self) -> list[Command]:
        pressed, self.pressed = self.pressed, []
        return pressed


class Hall:
    """A kiosk, the windows that it opened, and what it said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cursor: str = "") -> None:
        self.windows: list[FakeWindow] = []
        self.said: list[str] = []
        self.hidden = 0

        def hide() -> str:
            self.hidden += 1
            return cursor

        monkeypatch.setattr(kiosk, "hide_cursor", hide)
        self.sink = KioskSink(self.said.append, self._open)  # type: ignore[arg-type]

    def _open(self) -> FakeWindow:
        self.windows.append(FakeWindow())
        return self.windows[-1]


def test_it_fills_the_screen_from_the_first_frame_on_and_hides_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(monkeypatch)
    assert hall.windows[0].full_screen == 0
    for _ in range(3):
        hall.sink.write(make_stylized(noise()))
    hall.sink.toggle_full_screen()
    assert (hall.windows[0].full_screen, hall.hidden, len(hall.windows[0].frames)) == (1, 1, 3)
    assert hall.said == []


def test_visitors_style_and_do_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(monkeypatch)
    hall.windows[0].pressed = [*Action, SelectStyle(3), TypeStyle("c")]
    assert hall.sink.commands() == [
        Action.NEXT_STYLE,
        Action.PREVIOUS_STYLE,
        Action.LIST,
        Action.STRENGTH_UP,
        Action.STRENGTH_DOWN,
        Action.KEEP_COLORS,
        Action.MIRROR,
        Action.HELP,
        Action.FREEZE,
        SelectStyle(3),
        TypeStyle("c"),
    ]


def test_a_window_that_somebody_closed_opens_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(monkeypatch)
    hall.sink.write(make_stylized(noise()))
    hall.windows[0].closed_by_user, hall.windows[0].pressed = True, [Action.QUIT]
    assert hall.sink.commands() == []
    hall.sink.write(make_stylized(noise()))
    assert [window.full_screen for window in hall.windows] == [1, 1]


def test_a_cursor_that_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(monkeypatch, cursor="kiosk: the cursor cannot be hidden")
    hall.sink.write(make_stylized(noise()))
    assert hall.said == ["kiosk: the cursor cannot be hidden"]


@pytest.mark.parametrize("size_wh", [(640, 480), (1280, 720), (240, 320), (3840, 2160)])
def test_a_phone_reads_the_address_off_the_image(size_wh: tuple[int, int]) -> None:
    address = "http://192.168.100.200:8350/?token=AbCdEfGhIjKlMnOpQrStUvWxYz012345"
    display = FakeDisplay({})
    sink = QrSink(display)
    sink.point_to(address)
    sink.write(make_stylized(noise(size_wh)))
    (stylized,) = display.frames
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(cv2.cvtColor(stylized.shown, cv2.COLOR_RGB2BGR))
    assert text == address
    assert (stylized.pixels == noise(size_wh)).all(), "a recording shows no code"
    left = stylized.shown[:, : size_wh[0] // 3]
    assert (left == stylized.pixels[:, : size_wh[0] // 3]).all()
    assert (stylized.shown[-size_wh[1] // 3 :] == stylized.pixels[-size_wh[1] // 3 :]).all()


def test_where_there_is_no_room_there_is_no_code() -> None:
    image = noise((64, 48))
    assert with_code(image, np.zeros((37, 37, 3), np.uint8)) is image


def test_before_it_has_an_address_there_is_no_code_and_all_else_goes_through() -> None:
    display = FakeDisplay({0: [Action.HELP]})
    sink = QrSink(display)
    sink.write(make_stylized(noise()))
    sink.toggle_full_screen()
    assert sink.commands() == [Action.HELP]
    assert sink.close() == ""
    assert (display.frames[0].shown == noise()).all()
    assert (display.full_screen, display.ended) == (1, ["closed"])
