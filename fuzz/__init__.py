"""Generators, engines, the differential runner, shrinking, triage and the findings store."""
