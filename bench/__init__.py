"""The benchmark: sockstack beside its peers, on the same work, in one run. Start it with ``python -m bench``."""
