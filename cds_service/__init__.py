"""Clinical decision support for spasticity orders, spoken over HL7 CDS Hooks."""

__version__ = "0.1.0"
