"""Pictures in, a new LoRA out, without training."""
