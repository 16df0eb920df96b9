"""One file a peer: the workloads as a user of that package would write them, run in an environment of its own."""
