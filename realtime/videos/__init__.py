"""Files in, stylized files out: videos with their sound, images, folders of both."""
