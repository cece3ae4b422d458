"""The paper's claims: sets of trainings, their tables and figures."""
