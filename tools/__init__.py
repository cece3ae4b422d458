"""Programs that make files of this repository: the bundled model, recordings for tests, and pictures."""
