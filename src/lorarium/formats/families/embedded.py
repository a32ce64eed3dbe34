"""The bases that come along: the one that all shipped networks were learned on, and its heir."""

SHIPPED = "micro-1"
EMBEDDED = (SHIPPED, "micro-2")  # small enough to train in minutes; their files say which it is


def ships(family: str) -> bool:
    """Whether a family is the one whose base and networks come along."""
    return family == SHIPPED
