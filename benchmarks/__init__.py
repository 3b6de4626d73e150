"""Measurements of this service, each against a floor taken in the same run."""
