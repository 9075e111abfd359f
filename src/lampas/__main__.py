"""``python -m lampas program.py [args]``: runs a program written for PyTorch, with lampas in PyTorch's place."""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Callable
from types import CodeType, ModuleType, TracebackType
from typing import Any

from lampas._alias import alias

_USAGE = """usage: python -m lampas [--profile] program.py [arguments]
       python -m lampas [--profile] -m module [arguments]
       python -m lampas [--profile] -c code [arguments]
       python -m lampas --missing program.py ...

Runs a program that says `import torch`, with lampas in PyTorch's place.

--profile   afterwards says on stderr where the time went
--missing   lists, without running it, the names of PyTorch that a program uses and lampas does not have"""


def _fresh_main(**names: Any) -> ModuleType:
    main = ModuleType("__main__")
    main.__dict__.update({"__builtins__": sys.modules["builtins"], "__spec__": None, **names})
    sys.modules["__main__"] = main
    return main


def _set_path(entry: str) -> None:
    # Without safe_path the first entry is the one that `python -m lampas` put there.
    if not getattr(sys.flags, "safe_path", False):
        sys.path[:1] = [entry]


def _compiled(program: str) -> CodeType:
    import io

    with io.open_code(os.path.abspath(program)) as file:
        return compile(file.read(), os.path.abspath(program), "exec", dont_inherit=True)


def _prepare(arguments: list[str]) -> Callable[[], Any]:
    """Sets sys.argv and sys.path for a program; gives what runs it."""
    first, rest = arguments[0], arguments[1:]
    if first in ("-m", "-c"):
        if not rest:
            print(f"python -m lampas: {first} needs an argument\n{_USAGE}", file=sys.stderr)
            sys.exit(2)
        _set_path(os.getcwd() if first == "-m" else "")
        sys.argv = [first, *rest[1:]]
        if first == "-c":
            main = _fresh_main(__loader__=importlib.machinery.BuiltinImporter)
            code = rest[0]
            return lambda: exec(compile(code, "<string>", "exec", dont_inherit=True), main.__dict__)
        import runpy

        _fresh_main()
        return lambda: runpy._run_module_as_main(rest[0])
    if first.startswith("-"):
        print(f"python -m lampas: unknown option {first}\n{_USAGE}", file=sys.stderr)
        sys.exit(2)
    sys.argv = arguments
    if os.path.isdir(first) or first.endswith((".zip", ".pyz", ".pyc")):
        import runpy

        return lambda: runpy.run_path(first, run_name="__main__")
    try:
        os.stat(first)
    except OSError as error:
        print(f"python -m lampas: can't open file {first!r}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    _set_path(os.path.dirname(os.path.realpath(first)))
    main = _fresh_main(__file__=os.path.abspath(first), __cached__=None)
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", os.path.abspath(first))
    return lambda: exec(_compiled(first), main.__dict__)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def _run(program: Callable[[], Any]) -> None:
    try:
        program()
    except SystemExit:
        raise
    except BaseException as error:
        # Python prints the error after this module has left; what it then shows begins at the program's first line.
        trace, show = _without_ours(error.__traceback__), sys.excepthook
        sys.excepthook = lambda kind, value, _: show(kind, value.with_traceback(trace), trace)
        raise


def main() -> None:
    """The command line: see the usage text."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stdout if arguments else sys.stderr)
        sys.exit(0 if arguments else 2)
    option = arguments[0] if arguments[0] in ("--missing", "--profile") else None
    if option is not None:
        arguments = arguments[1:]
        if not arguments:
            print(f"python -m lampas: {option} needs a program\n{_USAGE}", file=sys.stderr)
            sys.exit(2)
    if option == "--missing":
        from lampas._missing import report

        sys.exit(report(arguments))
    alias()
    program = _prepare(arguments)
    if option == "--profile":
        from lampas._profile import profiled

        program = profiled(program)
    _run(program)


if __name__ == "__main__":
    main()
