"""What we read of FHIR, and nothing clinical."""
