"""Measurements that are more than one command: speed and memory on this machine."""
