"""Print, separated by semicolons, the folders that may hold the oneDNN of the Python environment that builds."""

import importlib.metadata
import sys
import sysconfig

roots = []
for name in ("onednn-devel-cpu-gomp", "onednn-cpu-gomp"):
    try:
        files = importlib.metadata.distribution(name).files or []
    except importlib.metadata.PackageNotFoundError:
        continue
    # The wheel's data files land in the environment's prefix; in an isolated build that is the folder of the build
    # environment, which only the distribution's own record names.
    roots += [f.locate().resolve().parent.parent for f in files if f.name in ("libdnnl.so.3", "dnnl.hpp")]
roots += [sysconfig.get_path("data"), sys.prefix]
print(";".join(dict.fromkeys(map(str, roots))))
