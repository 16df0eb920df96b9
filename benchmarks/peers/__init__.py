"""One file a peer: the workloads as a user of that package would write them.  Each runs in the peer's own environment."""
