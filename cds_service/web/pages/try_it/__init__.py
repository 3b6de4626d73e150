"""The page ``/``: an EHR in one page, which calls the service as an EHR does."""
