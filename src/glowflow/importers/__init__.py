"""Foreign weights to ours, and back."""
