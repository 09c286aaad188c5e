"""Propagation, antennas and exposure: arrays in, arrays out; one module per Recommendation."""
