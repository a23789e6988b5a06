"""How networks and styles are trained."""
