"""Pictures and films: files in, stylized files out."""
