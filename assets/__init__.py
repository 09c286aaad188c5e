"""The bundled sample: Nishi-Shinjuku, with real facilities and an invented city around them.

What is real stands in two tables of facts written by hand, ``facilities.csv`` and ``towers.csv``,
each row with the publication that names it. Everything else (streets of buildings, residents,
carriers, ward registers) is invented by :func:`tdh.sample.generate.write_inputs`, the same for the
same seed, and marked as synthetic in what is written.
"""
