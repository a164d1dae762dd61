"""Locating and loading networks and data files of installed packages."""
