"""The sources: where frames enter."""
