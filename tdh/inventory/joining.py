"""Several registers as one."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from tdh import schemas
from tdh.errors import Problem, RegisterError
from tdh.inventory.tables import Register
from tdh.language import Text


def concat(registers: Iterable[Register]) -> Register:
    """One register of several, in their order; identifiers stay unique and do not depend on chance.

    Where two registers would give the same identifier, the later one's get ``-2``, ``-3`` and so on.

    Raises
    ------
    RegisterError
        If there is none, or their CRSs differ.
    """
    parts = list(registers)
    if not parts:
        raise RegisterError(Problem(Text("there is no register", "台帳がありません")))
    if len(parts) == 1:
        return parts[0]
    systems = {str(part.assets.crs) for part in parts}
    if len(systems) > 1:
        raise RegisterError(
            Problem(
                Text("registers are in different CRSs", "台帳の座標系が異なります"),
                value=", ".join(sorted(systems)),
                fix=Text("read them with one plan_crs", "同じplan_crsで読んでください"),
            )
        )
    taken: set[str] = set()
    assets, needs = [], []
    for part in parts:
        ids = part.assets.index.append(part.needs_position.index)
        new = _unique(ids, taken)
        taken.update(new.values())
        assets.append(part.assets.rename(index=new))
        needs.append(part.needs_position.rename(index=new))
    return Register(
        assets=schemas.conform(pd.concat(assets), "assets"),
        rejected=pd.concat([part.rejected for part in parts], ignore_index=True),
        needs_position=pd.concat(needs),
        findings=pd.concat([part.findings for part in parts], ignore_index=True),
        rows=sum(part.rows for part in parts),
        mapping=dict(parts[0].mapping),
        format=", ".join(dict.fromkeys(part.format for part in parts)),
        encoding=", ".join(dict.fromkeys(p.encoding for p in parts if p.encoding)) or None,
        source=", ".join(part.source for part in parts),
    )


def _unique(ids: pd.Index, taken: set[str]) -> dict[str, str]:
    if not taken.intersection(ids):
        return dict(zip(ids, ids, strict=True))
    number = 2
    while any(f"{i}-{number}" in taken for i in ids):
        number += 1
    return {i: f"{i}-{number}" for i in ids}
