"""Owns the web page: live video by WebRTC, images by upload, and who may reach them."""
