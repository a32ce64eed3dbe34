"""What a file is and whether it is sound, from its tensors, its header and what lies beside it."""
