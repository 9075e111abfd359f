"""One-line programs run by both libraries: the printed value or the kind of error, and the kinds of warnings."""

import contextlib
import re
import warnings


def run(library, line):
    """What a line gives with `torch` meaning the library: (printed form or error's type, types of warnings)."""
    space = {"torch": library}
    *statements, last = line.split(";; ")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for statement in statements:
                exec(statement, space)
            text = repr(eval(last, space))
        except Exception as error:
            text = f"raises {type(error).__name__}"
    text = re.sub(r" at 0x[0-9a-f]+", "", text.replace("lampas", "torch"))
    return text, [warning.category.__name__ for warning in caught]


@contextlib.contextmanager
def every_warning(*libraries):
    """A region in which warnings that come once in a process come each time."""
    for library in libraries:
        library.set_warn_always(True)
    try:
        yield
    finally:
        for library in libraries:
            library.set_warn_always(False)
