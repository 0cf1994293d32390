"""Where MuJoCo draws when there is no display: EGL if that works here, else OSMesa."""

import contextlib
import importlib
import importlib.util
import os
import subprocess
import sys
from typing import Any

from pliant import errors
from pliant.system import interpreter

BACKENDS = ("egl", "osmesa")
INSTALL = "install a library that draws without a display (Debian: apt-get install libegl1 libgl1-mesa-dri, or libosmesa6)"
SECONDS = 60.0
"""That a backend may take to draw nothing."""

_TRIAL = """
import mujoco
context = mujoco.GLContext(8, 8)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), 100)
context.free()
"""


def choose() -> None:
    """Set MUJOCO_GL to what draws here, unless the user has set it or there is a display.

    Raises UserError if nothing does. A backend is tried in a process of its own: one that fails leaves its libraries behind.
    """
    if sys.platform != "linux" or os.environ.get("MUJOCO_GL") or _has_display():
        return
    for backend in BACKENDS:
        if _works(backend):
            os.environ["MUJOCO_GL"] = backend
            if "mujoco.gl_context" in sys.modules:
                importlib.reload(sys.modules["mujoco.gl_context"])  # it reads the variable when it is imported
            return
    raise errors.UserError(f"MuJoCo cannot draw here: there is no display, and neither EGL nor OSMesa works; {INSTALL}")


def quietly() -> None:
    """`choose` for environments that may or may not need MuJoCo: where nothing draws, those that do say so themselves."""
    if "mujoco" in sys.modules or importlib.util.find_spec("mujoco") is not None:
        with contextlib.suppress(errors.UserError):
            choose()
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


def renderer(model: Any, height: int, width: int) -> Any:
    """A mujoco.Renderer. Raises UserError if the backend that the user chose cannot draw."""
    choose()
    import mujoco  # type: ignore[import-untyped]

    try:
        return mujoco.Renderer(model, height, width)
    except Exception as error:  # its type depends on the backend
        chosen = os.environ.get("MUJOCO_GL") or "the display"
        said = " ".join(str(error).split())[:100] or type(error).__name__
        raise errors.UserError(f"MuJoCo cannot draw with {chosen} ({said}): unset MUJOCO_GL, or {INSTALL}") from error


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _works(backend: str) -> bool:
    environment = {**os.environ, "MUJOCO_GL": backend}
    environment.pop("PYOPENGL_PLATFORM", None)
    try:
        command = interpreter.command("-c", _TRIAL)
        tried = subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0
