"""Executors of programs: the wire, the supervised child process, and the targets themselves."""
