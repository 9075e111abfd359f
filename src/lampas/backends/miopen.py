"""MIOpen, AMD's kernels: not used; its switch keeps what it is given."""

from lampas.backends._flags import switched, switches

immediate = False
set_flags = switches(globals(), ("immediate",))
flags = switched(globals(), set_flags)
