"""The bases that come along: the one that all shipped networks were learned on, and its heir."""

SHIPPED, HEIR = "micro-1", "micro-2"
EMBEDDED = (SHIPPED, HEIR)  # small enough to train in minutes; their files say which it is


def ships(family: str) -> bool:
    """Whether a family is the one whose base and networks come along."""
    return family == SHIPPED
