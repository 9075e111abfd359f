"""Inside a loader: collating, fetching, and the worker processes."""
