"""What must survive a restart: feedback, what was shown, tokens already used."""
