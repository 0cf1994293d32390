"""The command line: finds the verb, calls it, and turns what the user can mend into one line.

Results go to stdout, progress and errors to stderr. An expected error is one line that begins `pliant: `, with exit status 2.
"""

import argparse
import contextlib
import os
import signal
import stat
import sys
import warnings
from collections.abc import Sequence

from pliant import errors
from pliant.cli import dotted, parser, streams, verbs
from pliant.system import parent, stop


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    streams.prepare()
    parent.watch()
    if argv is None:
        warnings.showwarning = errors.show_warning
        if os.environ.get("WORLD_SIZE", "1") != "1":  # a process that is lost is named by us, in one line
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    interrupt = stop.Interrupt()
    with stop.handled(interrupt.note, signal.SIGINT):
        try:
            status = _run(list(sys.argv[1:] if argv is None else argv))
            sys.stdout.flush()
            return status
        except BrokenPipeError:  # the reader of our output has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 141
        except KeyboardInterrupt:
            return _interrupted()
        except Exception as error:
            if interrupt.came:
                return _interrupted()
            line = streams.unwritten(error) or errors.one_line(error)
            if argv is None:
                sys.excepthook = streams.show_bug
            if line is None or os.environ.get("PLIANT_TRACEBACK"):
                raise
            _say(line)
            return errors.status_of(error)


def _interrupted() -> int:
    _say("interrupted")
    return 128 + signal.SIGINT


def _say(line: str) -> None:
    """One line on stderr, if there is still somebody to read it."""
    with contextlib.suppress(OSError):
        print(errors.printable(f"pliant: {line}"), file=sys.stderr, flush=True)


def _run(argv: list[str]) -> int:
    if argv[:1] == ["_complete"]:
        from pliant.cli import complete

        print("\n".join(complete.candidates(argv[1:])))
        return 0
    arguments, settings, rest = understood(argv)
    if rest:
        raise _unexpected(arguments, rest[0])
    if arguments.command is None:
        parser.parser().print_help()
        return 0
    _require_no_trap()
    return verbs.load(arguments.command).run(arguments, settings)


def _require_no_trap() -> None:
    """Raise UserError if what draws would wait for ever: it reads its settings where we work, whoever put them there."""
    with contextlib.suppress(OSError):
        is_plain = stat.S_IFMT(os.stat("matplotlibrc").st_mode) in (stat.S_IFREG, stat.S_IFDIR)
        if not is_plain and os.path.realpath("matplotlibrc") != os.devnull:
            message = "matplotlibrc in this folder is no file, but Matplotlib reads it: remove it or work elsewhere"
            raise errors.UserError(message)


def understood(argv: Sequence[str]) -> tuple[argparse.Namespace, dict[str, str], list[str]]:
    """A command line as its arguments, the settings in it ({"inner.steps": "3"}), and the words that nobody knows."""
    words, settings = list(argv), dict[str, str]()
    if words and verbs.takes_settings(words[0]):
        words, settings = dotted.split_dotted(words)
    arguments, rest = parser.parser().parse_known_args(words)
    if arguments.command and verbs.takes_settings(arguments.command):
        rest = dotted.family_flags(getattr(arguments, "family", None), rest, settings)
    return arguments, settings, rest


def _unexpected(arguments: argparse.Namespace, word: str) -> errors.UserError:
    from pliant.cli import complete

    command = arguments.command
    if command is None or not word.startswith("-"):
        return errors.UserError(f"unexpected argument {word!r} (see pliant {command or ''} --help)".replace("  ", " "))
    known = complete.flags(command, getattr(arguments, "algorithm", None), getattr(arguments, "family", None))
    return errors.unknown("flag", word.partition("=")[0], known, f"see pliant {command} --help")
