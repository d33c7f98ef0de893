"""What the manual channel can do: be there. Its orders are given to order-ingest, and nobody is told of anything."""

from typing import Literal


class ManualConnector:
    """See KeptHere."""

    kind = "manual"
    kept_here: Literal[True] = True
