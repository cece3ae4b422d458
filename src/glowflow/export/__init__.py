"""Models in forms that other runtimes compute."""
