"""Frames as the bytes of a gif or an mp4."""

import io
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from pliant import errors
from pliant.drawing import film
from pliant.drawing.base import Image

SUFFIXES = (".gif", ".mp4")
MOST_FPS = {".gif": 20.0, ".mp4": 30.0}
"""Frames per second beyond which more are not worth their bytes."""
HOLD = 2.0
"""Seconds that the last frame stays."""
COLOURS, SAMPLED = 255, 8
"""Of a gif's palette, and frames from which it is chosen."""
QUALITY = "20"
"""libx264's constant rate factor: lower is better and larger."""


def encoded(frames: Iterator[Image], fps: float, suffix: str) -> bytes:
    """A video of frames of one size, even in both directions. Raises UserError if its extra is not installed."""
    return _gif(frames, fps) if suffix == ".gif" else _mp4(frames, fps)


def require(suffix: str) -> None:
    """Raise UserError for a suffix that is none of ours, or whose extra is not installed."""
    if suffix not in SUFFIXES:
        raise errors.UserError(f"--out ends in {suffix!r}: expected {' or '.join(SUFFIXES)}")
    if suffix == ".mp4":
        try:
            import imageio_ffmpeg

            imageio_ffmpeg.get_ffmpeg_exe()
        except ImportError as error:
            raise errors.missing_extra(error, "an .mp4") or error from error
        except RuntimeError as error:
            raise errors.UserError("an .mp4 needs ffmpeg, which imageio-ffmpeg lacks: install it or write a .gif") from error


def has_mp4() -> bool:
    """Whether an mp4 can be written here."""
    try:
        require(".mp4")
    except errors.UserError:
        return False
    return True


def _gif(frames: Iterator[Image], fps: float) -> bytes:
    """One palette for all frames, from some of them, and no dither, which would be most of the bytes.

    A gif counts hundredths of a second. Frames wait for the palette deflated, an eighth of their size.
    """
    shape, packed = (0, 0, 0), []
    for frame in frames:
        shape = frame.shape
        packed.append(zlib.compress(frame.tobytes(), 1))

    def picture(n: int) -> Image:
        return np.frombuffer(zlib.decompress(packed[n]), np.uint8).reshape(shape)

    some = [picture(n) for n in film.spaced(len(packed), SAMPLED)]
    palette = Pictures.fromarray(np.concatenate(some)).quantize(COLOURS, dither=Pictures.Dither.NONE)
    pictures = (
        Pictures.fromarray(picture(n)).quantize(palette=palette, dither=Pictures.Dither.NONE) for n in range(len(packed))
    )
    duration = [max(2, round(100 / fps)) * 10] * (len(packed) - 1) + [round(1000 * HOLD)]
    buffer = io.BytesIO()
    next(pictures).save(buffer, "GIF", save_all=True, append_images=pictures, duration=duration, loop=0)
    return buffer.getvalue()


def _mp4(frames: Iterator[Image], fps: float) -> bytes:
    """H.264 in yuv420p with its index in front: what browsers play."""
    import imageio_ffmpeg

    first = last = next(frames)
    height, width = first.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        output = ["-crf", QUALITY, "-movflags", "+faststart", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1"]
        writer = imageio_ffmpeg.write_frames(
            str(path),
            (width, height),
            fps=fps,
            codec="libx264",
            quality=None,
            pix_fmt_out="yuv420p",
            macro_block_size=2,
            ffmpeg_log_level="error",
            output_params=output,
        )
        writer.send(None)
        try:
            writer.send(np.ascontiguousarray(first))
            for last in frames:
                writer.send(np.ascontiguousarray(last))
            for _ in range(round(HOLD * fps)):
                writer.send(np.ascontiguousarray(last))
        finally:
            writer.close()
        return path.read_bytes()
