"""Files in, stylized files out: images, videos with their sound, and folders of both."""
