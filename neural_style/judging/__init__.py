"""How stylized images and videos are judged, by a network that trained nothing."""
