"""``python -m lampas program.py [args]``: runs a program written for PyTorch, with lampas in PyTorch's place."""

from __future__ import annotations

import os
import runpy
import sys

from lampas._alias import alias

_USAGE = """usage: python -m lampas program.py [arguments]
       python -m lampas -m module [arguments]

Runs a program that says `import torch`, with lampas in PyTorch's place."""


def main() -> None:
    """The command line: see the usage text."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stdout if arguments else sys.stderr)
        sys.exit(0 if arguments else 2)
    alias()
    if arguments[0] == "-m":
        if len(arguments) < 2:
            print(_USAGE, file=sys.stderr)
            sys.exit(2)
        sys.argv = arguments[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    program = arguments[0]
    if not os.path.exists(program):
        print(f"python -m lampas: can't open file {program!r}: no such file", file=sys.stderr)
        sys.exit(2)
    sys.argv = arguments
    sys.path[0] = os.path.dirname(os.path.abspath(program))
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
