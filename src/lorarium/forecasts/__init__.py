"""What a merge will do to its inputs, before it is drawn: facts of the weights, rates learned from
judged pictures, and the way that is expected to be best (`auto`)."""
