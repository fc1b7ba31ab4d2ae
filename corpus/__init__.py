"""Stored programs, data only: this file makes the folder a package, so that editable installs find the data too."""
