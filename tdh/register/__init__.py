"""The ledger of the programme: append-only events with who, when and why, and states as of any day.

A register is one file, a GeoPackage. What may follow what stands in
:data:`tdh.register.states.TRANSITIONS`.
"""

from tdh.register.events import Event, LedgerError
from tdh.register.ledger import Register
from tdh.register.states import STATES, TRANSITIONS, State, Transition, allowed

__all__ = [
    "STATES",
    "TRANSITIONS",
    "Event",
    "LedgerError",
    "Register",
    "State",
    "Transition",
    "allowed",
]
