"""Owns the web page: live video by WebRTC, pictures by upload, and who may reach them."""
