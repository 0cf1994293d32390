"""What this process may use of the machine."""

import contextlib
import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD = -3, -1, -2


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_cores() -> int:
    """Processor cores that this process may use and on which nobody else computes at this moment, at least one.

    Whoever asks is counted as running on one of them. Where the system does not say who computes, all are free.
    """
    others = 0
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/loadavg", "rb", buffering=0) as file:
        others = int(file.read(200).split()[3].partition(b"/")[0]) - 1
    return max(1, min(cores(), (os.cpu_count() or 1) - others))


def described() -> dict[str, Any]:
    """Processor, cores this process may use, operating system."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "cores": cores(), "system": platform.system()}


def keep_memory() -> None:
    """Let the C library keep freed memory for the next tensor instead of giving every large one back to the system.

    Page faults fall to a ninth and learning takes 10 to 15 % less time; the peak stays. For a process that only trains; no
    effect but on Linux with glibc.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, 1 << 30)
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_TOP_PAD, 1 << 26)
