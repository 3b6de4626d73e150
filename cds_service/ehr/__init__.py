"""The only outbound HTTP: what prefetch lacks, and the keys of clients; guarded."""
