"""What goes to carriers and comes back: offer packages, answers, search rings.

A package is one zip for one carrier. It holds the assets offered to that carrier in the formats
that planning tools read, and nothing that derives from another carrier's network, gap, score,
request or choice. What comes back is untrusted: bounded, checked against a schema and the package
that it answers, and refused with all problems at once.
"""

from tdh.exchange.answers import Answer, Request, SearchRing, read_answer
from tdh.exchange.offer import Offer, read_offer
from tdh.exchange.package import default_round, write_package
from tdh.exchange.receipts import Receipt, note_receipts, read_receipts
from tdh.exchange.rings import answer_rings, inside, write_rings
from tdh.exchange.rounds import AreaCap, Round, read_round
from tdh.exchange.settling import match_round, resolve, write_award
from tdh.exchange.surroundings import Surroundings

__all__ = [
    "Answer",
    "AreaCap",
    "Offer",
    "Receipt",
    "Request",
    "Round",
    "SearchRing",
    "Surroundings",
    "answer_rings",
    "default_round",
    "inside",
    "match_round",
    "note_receipts",
    "read_answer",
    "read_offer",
    "read_receipts",
    "read_round",
    "resolve",
    "write_award",
    "write_package",
    "write_rings",
]
