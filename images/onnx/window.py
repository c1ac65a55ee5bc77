"""A window that shows pictures, by SDL: on X11 and Wayland, in a container where its screen is mapped."""

from __future__ import annotations

import os
from typing import Any

from PIL import Image

from isomer.errors import UserError

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
DRIVERS = ("x11", "wayland")


class Window:
    """A window that a person may close, by its corner, q or Esc.

    Raises:
        UserError: there is no screen, or it lets nobody in.
    """

    def __init__(self, title: str) -> None:
        require_screen()
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        # it takes a third of a second, which nobody should wait for who asked for no window
        import pygame

        self._pygame = pygame
        try:
            pygame.display.init()
            # SDL has drivers that show nothing, and takes one where no screen answers
            if pygame.display.get_driver() not in DRIVERS:
                raise pygame.error("no screen answers")
            pygame.display.set_caption(title)
            self._screen = pygame.display.set_mode((640, 480), pygame.RESIZABLE)
        except pygame.error as error:
            raise UserError(f"--show: the screen cannot be used ({error}); leave --show out") from None
        self._size: tuple[int, int] | None = None

    def show(self, image: Image.Image) -> bool:
        """Show a picture; false once the window is to be closed."""
        if self._size is None:
            self._size = self._fitting(image.size)
            self._screen = self._pygame.display.set_mode(self._size, self._pygame.RESIZABLE)
        surface = self._pygame.image.frombuffer(image.tobytes(), image.size, "RGB")
        width, height = self._screen.get_size()
        scale = min(width / image.width, height / image.height)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        if size != image.size:
            surface = self._pygame.transform.smoothscale(surface, size)
        self._screen.fill("black")
        self._screen.blit(surface, ((width - size[0]) // 2, (height - size[1]) // 2))
        self._pygame.display.flip()
        return not any(self._ends(event) for event in self._pygame.event.get())

    def wait(self) -> bool:
        """Wait for a key or a click; false when it was one that closes the window."""
        pressed = (self._pygame.KEYDOWN, self._pygame.MOUSEBUTTONDOWN)
        while True:
            event = self._pygame.event.wait(100)  # not for ever: Ctrl-C must get through
            if self._ends(event):
                return False
            if event.type in pressed:
                return True

    def close(self) -> None:
        self._pygame.display.quit()

    def _fitting(self, size: tuple[int, int]) -> tuple[int, int]:
        """As large as the picture, unless the screen is smaller."""
        (width, height), *_ = self._pygame.display.get_desktop_sizes()
        scale = min(1.0, 0.9 * width / size[0], 0.9 * height / size[1])
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    def _ends(self, event: Any) -> bool:
        keys = (self._pygame.K_q, self._pygame.K_ESCAPE)
        return event.type == self._pygame.QUIT or (event.type == self._pygame.KEYDOWN and event.key in keys)


def require_screen() -> None:
    """Raises UserError where there is no screen to show anything on."""
    if not any(os.environ.get(name) for name in SCREENS):
        raise UserError(f"--show: there is no screen here ({' and '.join(SCREENS)} are not set); leave it out")
