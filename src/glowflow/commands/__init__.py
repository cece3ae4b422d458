"""The commands. Each imports heavy modules itself, so that `--help` answers at once."""
