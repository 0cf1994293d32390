"""`pliant completion`: what a shell needs in order to complete pliant's words."""

import argparse

from pliant.cli import shared

HELP = "print a shell completion script"
EXAMPLES = """\
eval "$(pliant completion bash)"
pliant completion fish > ~/.config/fish/completions/pliant.fish
"""
PLACE = 10
SCRIPTS = {
    # Never `compgen -W`, which would run what a folder's name holds in $( ).
    "bash": """\
_pliant() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        [[ -n "$word" ]] && COMPREPLY+=("$word")
    done < <(pliant _complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _pliant pliant
""",
    "zsh": """\
#compdef pliant
_pliant() {
    local -a found
    found=("${(@f)$(pliant _complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if (( ${#found} )) && [[ -n "${found[1]}" ]]; then compadd -a found; else _files; fi
}
compdef _pliant pliant
""",
    "fish": """\
complete -c pliant -a '(pliant _complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
""",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Its argument."""
    parser.add_argument("shell", choices=tuple(SCRIPTS), metavar="SHELL", help=", ".join(SCRIPTS))


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print the script."""
    shared.say(*SCRIPTS[arguments.shell].splitlines())
    return 0
