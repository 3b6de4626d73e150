"""The way of the database from version to version, run by ``cds-service db upgrade``."""
