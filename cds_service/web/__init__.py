"""HTTP: the only room that knows Flask and the server."""
