"""The one place that decodes, encodes and converts the colours of images and videos."""
