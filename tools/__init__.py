"""What makes files of this repository: the bundled model, recordings that tests compare with, pictures."""
