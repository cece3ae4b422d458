"""What the commands do. Heavy imports stand inside each, so that `--help` answers at once."""
